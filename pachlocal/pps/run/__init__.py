"""Runs pipelines: jobs, services and spouts, from the scheduler down to recording results.

The top of PPS: it calls the other subpackages; only the daemon calls it, to start the scheduler.
"""
