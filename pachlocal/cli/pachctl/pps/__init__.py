"""Commands on pipelines, jobs, datums, logs and secrets, and the reading of specs.

Calls `client`, `printing` and `pfs`; `root` names them, and the commands of 1.4 call some.
"""
