"""Cron inputs: a repo of the pipeline's own, in which the clock puts one empty file a tick.

The file is named by the tick's time, so what has ticked is read from the repo itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits, repos, schedule
from pachlocal.pfs.history.names import CommitName, RepoName
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Root
from pachlocal.pps.spec.inputs import PfsInput, pfs_inputs
from pachlocal.pps.spec.spec import PipelineSpec
from pachlocal.storage.database import Connection


def cron_inputs(spec: PipelineSpec) -> list[PfsInput]:
    """Return the inputs of a pipeline that are made by the clock."""
    return [input_ for input_ in pfs_inputs(spec.input) if input_.cron is not None]


def create_repos(tx: Transaction, spec: PipelineSpec) -> None:
    """Make the repos of a pipeline's cron inputs, where they aren't there yet."""
    for input_ in cron_inputs(spec):
        if not repos.exists(tx.connection, input_.branch.repo):
            description = f"Cron tick repo for pipeline {spec.project}/{spec.name}."
            repos.create_repo(tx, input_.branch.repo, description, update=False)


def repos_of(spec: PipelineSpec) -> list[RepoName]:
    """Return the repos of a pipeline's cron inputs."""
    return [input_.branch.repo for input_ in cron_inputs(spec)]


def run(files: FileSystem, spec: PipelineSpec, now: int) -> None:
    """Tick all cron inputs of a pipeline at once (ns since 1970).

    Raises:
        FailedPreconditionError: It has none.
    """
    inputs = cron_inputs(spec)
    if not inputs:
        raise FailedPreconditionError("pipeline doesn't have a cron input")
    for input_ in inputs:
        tick(files, input_, [now])


def tick(files: FileSystem, input_: PfsInput, times: Sequence[int]) -> None:
    """Put the files of some ticks (ns since 1970) into an input's repo, in one commit.

    Raises:
        NotFoundError: The repo was deleted.
    """
    with files.modify(CommitName(input_.branch.repo, ""), input_.branch.name) as modification:
        if input_.cron is not None and input_.cron.overwrite:
            modification.delete("/")
            times = times[-1:]
        for time in times:
            modification.add(f"/{schedule.format_time(time)}", b"")


def head_root(connection: Connection, input_: PfsInput) -> Root:
    """Return what lies in an input's repo now."""
    key = branches.find(connection, input_.branch)
    head = branches.head(connection, key) if key is not None else None
    return commits.base_root(connection, head)


def newest_tick(objects: Reader, old: Root, new: Root) -> int:
    """Return the newest tick that a repo has now and hadn't before (ns since 1970), or 0."""
    newest = 0
    for path, _, entry in tree.diff(objects, old, new):
        if entry is not None:
            try:
                newest = max(newest, schedule.parse_time(path[1:]))
            except InvalidArgumentError:
                continue  # somebody else's file
    return newest
