"""PPS: pipelines, from spec to datums to jobs; what is skipped, retried, merged."""
