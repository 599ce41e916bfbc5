"""The tables of PPS in the database: pipelines, jobs, datums, logs, secrets, cron ticks.

Calls `spec` only; `planning`, `worker`, `run` and the API call it.
"""
