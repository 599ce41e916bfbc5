"""Commands on repos, branches, commits and files.

Calls `client` and `printing`; `root` names them, and the commands of 1.4 call some.
"""
