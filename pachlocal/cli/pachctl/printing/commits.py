"""How commits are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pachlocal.cli.pachctl.printing.repos import content_size, full_name
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import moment, progress_bar, size
from pachlocal.proto import pfs_pb2

_HEADER = "PROJECT\tREPO\tCOMMIT\tFINISHED\tSIZE\tORIGIN\tCREATOR\tDESCRIPTION\t"


@contextmanager
def commit_table(
    full_timestamps: bool, *, live: bool = False
) -> Iterator[Callable[[pfs_pb2.CommitInfo], None]]:
    """Print commits, one line each.

    Args:
        full_timestamps: Print points in time instead of ages.
        live: Print each as it comes.

    Yields:
        The function that adds a commit.
    """
    table = Table(_HEADER, live=live)

    def add(info: pfs_pb2.CommitInfo) -> None:
        table.row(
            info.commit.repo.project.name,
            full_name(info.commit.repo),
            info.commit.id,
            moment(info, "finished", full_timestamps),
            content_size(info),
            pfs_pb2.OriginKind.Name(info.origin.kind),
            info.created_by or "-",
            info.description,
        )

    yield add
    table.flush()


def print_commit(
    info: pfs_pb2.CommitInfo,
    full_timestamps: bool,
    provenance: Iterable[pfs_pb2.Commit] | None = None,
) -> None:
    """Describe one commit.

    Args:
        info: The commit.
        full_timestamps: Print points in time instead of ages.
        provenance: What it was made from, if more than the commit itself says is known.
    """
    print(f"Commit: {info.commit.repo.name}@{info.commit.id}")
    print(f"Description: {info.description}")
    if info.HasField("parent_commit"):
        print(f"Parent: {info.parent_commit.id}")
    print(f"Started: {moment(info, 'started', full_timestamps)}")
    if info.HasField("finished"):
        print(f"Finished: {moment(info, 'finished', full_timestamps)}")
    if info.HasField("details"):
        print(f"Size: {size(info.details.size_bytes)}")
    if info.error:
        print(f"Error: {info.error}")
    origins = info.direct_provenance if provenance is None else provenance
    names = [f"{full_name(it.repo)}@{it.id}" for it in origins]
    if names:
        # 2.x only tells this in raw output; which data a result came from is what people ask for.
        print("Provenance: " + " ".join(names))


def print_commit_sets(sets: Iterable[pfs_pb2.CommitSetInfo], full_timestamps: bool) -> None:
    """Print commit sets, one line each."""
    table = Table("ID\tSUBCOMMITS\tPROGRESS\tCREATED\tMODIFIED\t")
    for item in sets:
        finished = [info for info in item.commits if info.HasField("finished")]
        failed = sum(1 for info in finished if info.error)
        started = [info for info in item.commits if info.HasField("started")]
        first = min(started, key=_start, default=pfs_pb2.CommitInfo())
        last = max(started, key=_start, default=pfs_pb2.CommitInfo())
        table.row(
            item.commit_set.id,
            str(len(item.commits)),
            progress_bar(len(finished) - failed, len(item.commits) - len(finished), failed),
            moment(first, "started", full_timestamps),
            moment(last, "started", full_timestamps),
        )
    table.flush()


def _start(info: pfs_pb2.CommitInfo) -> tuple[int, int]:
    return info.started.seconds, info.started.nanos
