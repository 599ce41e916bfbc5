"""The HTTP front: JSON, files, archives and the console, in front of any Pachyderm 2.x.

A client in a process of its own: it can do nothing that a client can't, and doesn't slow the server
down. `app` puts the routes together, `guard` decides who gets to them; `python -m pachlocal.web`
runs it, started by `pachlocal up` and `pachlocal console`.
"""
