"""Plans jobs: their datums, which of them are skipped and why, and what a change would run.

Calls `tables` and `spec`; the API and `run` call it. It runs nothing.
"""
