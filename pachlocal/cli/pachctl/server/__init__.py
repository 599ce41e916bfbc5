"""Commands on the server as a whole and on pachctl itself.

Calls `client`, `printing`, `pfs` and `pps`; `root` names them.
"""
