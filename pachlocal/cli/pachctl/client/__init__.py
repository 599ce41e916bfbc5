"""The client's end of the API: address, configuration, connection, session, and its errors.

Calls only `proto`; every command of `pachctl` and of `pachlocal` calls it.
"""
