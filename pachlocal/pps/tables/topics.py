"""What of pipelines changes, for those who wait: see `ChangeNotifier.watch`."""

from __future__ import annotations

from collections.abc import Callable

from pachlocal.pfs.history import topics
from pachlocal.pps.spec.inputs import pfs_inputs
from pachlocal.pps.spec.spec import PipelineSpec
from pachlocal.storage.change_notifier import ChangedRows, Topic
from pachlocal.storage.database import Connection, Database

_DATUMS = "datums"
_LOGS = "logs"


def publish(database: Database) -> None:
    """Have the store tell of these topics; `tables.logs` tells of lines.

    Who stores datums tells of them, once a batch: a trigger would run for each.
    """
    database.publish_changes("pipelines", "id")
    database.publish_changes("jobs", "id", "pipeline_id")


def job(key: int) -> Topic:
    """A job, by its row."""
    return "jobs.id", key


def of_jobs(pipeline: int | None) -> list[Topic]:
    """What tells of a pipeline's jobs, by its row; None: of pipelines, as there is none yet."""
    if pipeline is None:
        return [("pipelines", 0)]
    return [("pipelines.id", pipeline), ("jobs.pipeline_id", pipeline)]


def of_pipelines() -> list[Topic]:
    """What tells of all pipelines: which there are, in which version, and whether they run."""
    return [("pipelines", 0)]


def changed_pipelines(tell: Callable[[], None]) -> ChangedRows:
    """Note which pipelines change, as `of_pipelines` tells of them, by their rows."""
    return ChangedRows("pipelines.id", tell)


def of_all_jobs() -> list[Topic]:
    """What tells of the states of all jobs."""
    return [("jobs", 0)]


def datums() -> Topic:
    """The datums of all jobs."""
    return _DATUMS, 0


def of_work(connection: Connection, pipeline: int, spec: PipelineSpec) -> list[Topic]:
    """What tells whether there is work for a pipeline, by its row: its jobs, and their inputs."""
    repos = {input_.branch.repo for input_ in pfs_inputs(spec.input)}
    inputs = (topic for repo in repos for topic in topics.of_commits(connection, repo))
    return [("jobs.pipeline_id", pipeline), *inputs]


def lines_of(pipeline: int | None) -> Topic:
    """Any log line of a pipeline, by its row; None: of all pipelines."""
    return _LOGS, pipeline or 0
