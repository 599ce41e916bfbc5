"""Finds zombies, as fsck calls them: files in a pipeline's output that none of its datums wrote.

Somebody has put them there while the pipeline was stopped, or a merge of ours went wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.entries import Root
from pachlocal.pfs.tree.scratch import Scratch
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import datum_store, jobs, pipelines
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.storage.database import Connection

_BATCH = 2000  # datums whose files are held in memory


def results(connection: Connection) -> list[CommitInfo]:
    """Return the newest good commit of each pipeline's output."""
    found = []
    for pipeline in pipelines.list_pipelines(connection):
        if pipeline.spec.keeps_records:
            output = branches.key_of(connection, pipeline.spec.output)
            commit = branches.head(connection, output)
            while commit is not None and (commit.finished is None or commit.error):
                commit = commits.parent_of(connection, commit)
            if commit is not None:
                found.append(commit)
    return found


def zombies(files: FileSystem, commit: CommitInfo) -> Iterator[str]:
    """Yield a sentence for each zombie in a commit of a pipeline's output: the real server's."""
    with Scratch(files.objects) as objects:
        with files.snapshot() as connection:
            job = _job_of(connection, commit)
            written = _outputs(connection, job) if job is not None else iter(())
            root = commit.root
            while batch := list(islice(written, _BATCH)):
                root = tree.apply(objects, root, _removals(objects, batch))
        for path, entry in tree.files(objects, root):
            yield f"stale datum {entry.tag} had file {path}"


def _job_of(connection: Connection, commit: CommitInfo | None) -> JobInfo | None:
    """Return the job whose results a commit has: its own, or that of the nearest commit before."""
    while commit is not None:
        job = jobs.of_output(connection, commit.key)
        if job is not None and job.state is JobState.SUCCESS:
            return job
        commit = commits.parent_of(connection, commit)
    return None


def _outputs(connection: Connection, job: JobInfo) -> Iterator[Root]:
    return (datum.output for datum in datum_store.list_datums(connection, job))


def _removals(objects: Scratch, outputs: list[Root]) -> Changes:
    removals = Changes()
    for output in outputs:
        for path, _ in tree.files(objects, output):
            removals.set(path, None)
    return removals
