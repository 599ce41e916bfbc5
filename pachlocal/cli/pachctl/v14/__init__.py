"""The command line of Pachyderm 1.4: hyphens between words, and the tables of its time.

The calls are those of today. What has no counterpart says so.
"""
