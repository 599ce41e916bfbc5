"""The Iris workshop: its steps, and how far they are in a project of a server.

`pachlocal workshop` and the HTTP front show it. A client: `state` asks the server, `checks` judges
what it says, `steps` has what to type, and `room` tells who is at which step.
"""
