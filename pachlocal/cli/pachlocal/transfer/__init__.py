"""`pachlocal export` and `pachlocal import`: repos and pipelines from one server to another.

Both are clients of Pachyderm's API and nothing else, so that either end may be a real cluster.
"""
