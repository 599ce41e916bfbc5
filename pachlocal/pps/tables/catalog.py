"""The tables of PPS, as upkeep has to know them."""

from __future__ import annotations

from pachlocal.pps.tables import datum_store, logs
from pachlocal.storage.integrity import CheckedTable

_PIPELINE = "p.project || '/' || p.name"
_OF_PIPELINE = "JOIN pipelines p ON p.id = {}.pipeline_id"

TABLES = (
    CheckedTable("pipelines", "pipeline", "pipelines.project || '/' || pipelines.name"),
    CheckedTable(
        "pipeline_versions",
        "spec of pipeline",
        f"{_PIPELINE} || ', version ' || pipeline_versions.version",
        _OF_PIPELINE.format("pipeline_versions"),
    ),
    CheckedTable("code_versions", "code version", "substr(code_versions.name, 1, 12)", tree="root"),
    CheckedTable(
        "jobs", "job", f"{_PIPELINE} || '@' || jobs.commit_set", _OF_PIPELINE.format("jobs")
    ),
    CheckedTable(
        "job_times",
        "time of job",
        f"{_PIPELINE} || '@' || j.commit_set",
        f"JOIN jobs j ON j.id = job_times.job_id {_OF_PIPELINE.format('j')}",
    ),
    CheckedTable(
        "datums",
        "datum",
        f"lower(hex(datums.id)) || ' of job ' || {_PIPELINE} || '@' || j.commit_set",
        f"JOIN jobs j ON j.id = datums.job_id {_OF_PIPELINE.format('j')}",
        tree="output",
        sums=datum_store.SUMS,
    ),
    CheckedTable(
        "logs",
        "log line",
        f"'of pipeline ' || {_PIPELINE} || ', '"
        " || strftime('%Y-%m-%dT%H:%M:%SZ', logs.time / 1000000000, 'unixepoch')",
        _OF_PIPELINE.format("logs"),
        sums=logs.SUMS,
    ),
    CheckedTable(
        "log_sizes",
        "size of the log",
        f"'of pipeline ' || {_PIPELINE}",
        _OF_PIPELINE.format("log_sizes"),
    ),
    CheckedTable("secrets", "secret", "secrets.name"),
    CheckedTable(
        "pipeline_defaults",
        "defaults",
        "CASE project WHEN '' THEN 'of the cluster' ELSE 'of project ' || project END",
    ),
)
"""What holds trees, what rows are called, and what checksums cover."""
