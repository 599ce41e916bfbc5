"""Merges the outputs of a job's datums into two trees: the output and the meta commit's.

Begins with the trees of the job before, takes out what changed or vanished and puts in what is new,
so the cost follows the change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cache, partial
from itertools import islice
from typing import NamedTuple, TypeAlias, TypeVar

from pachlocal.errors import DuplicateOutputError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.names import META
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import folders, paths, tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.content import Content, ContentWriter
from pachlocal.pfs.tree.entries import Entry, Kind, Root
from pachlocal.pps.run.prefetch import Prefetch
from pachlocal.pps.spec.inputs import PfsInput, pfs_inputs
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import datum_store, pipelines
from pachlocal.pps.tables.datum_store import DatumInfo, DatumOutput
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker import variables
from pachlocal.pps.worker.layout.places import ENV, OUT, env_lines
from pachlocal.storage.database import Connection
from pachlocal.storage.object_writer import ObjectWriter

_D = TypeVar("_D", DatumInfo, DatumOutput)
_Placed: TypeAlias = "Entry | None"

_READ_AHEAD = 500  # datums
_LOOK_UP_EVERY = 1000  # datums
_BATCH = 2000  # datums whose changes are held in memory: some 10 MB


def merge_output(
    files: FileSystem,
    objects: ObjectWriter,
    job: JobInfo,
    pipeline: PipelineInfo,
    base: JobInfo | None,
    go_on: Callable[[], None],
) -> Root:
    """Return the tree of a job's output commit.

    Args:
        files: The store.
        objects: Where the tree is put.
        job: The job.
        pipeline: Its pipeline, in its version.
        base: The job whose results it begins with.
        go_on: Called again and again; what it raises breaks off.

    Raises:
        DuplicateOutputError: Two datums wrote the same path.
    """
    outputs = Prefetch(files.objects)
    with files.snapshot() as connection:
        root: Root = None
        if base is not None:
            root = commits.itself(connection, base.output).root
            removals = Changes()
            outdated = _watched(datum_store.outdated(connection, base, job), go_on)
            for old in _read_ahead(outputs, outdated):
                for path, _ in tree.files(outputs, old.output):
                    removals.set(path, None)
            root = tree.apply(objects, root, removals)
        additions = Changes()
        writers: dict[str, bytes] = {}  # which datum wrote a path
        reused = _reused(connection, job, pipeline, base)
        new = _watched(datum_store.outputs(connection, job, reused), go_on)
        for datum in _read_ahead(outputs, new):
            for path, entry in tree.files(outputs, datum.output):
                if path in writers or tree.lookup(objects, root, path) is not None:
                    first = writers.get(path) or _writer_of(connection, objects, job, datum, path)
                    raise DuplicateOutputError(
                        f"duplicate path output by different datums ({path} from {first.hex()} "
                        f"and {path} from {datum.id.hex()})"
                    )
                writers[path] = datum.id
                additions.set(path, entry)
    return tree.apply(objects, root, additions)


def _reused(
    connection: Connection, job: JobInfo, pipeline: PipelineInfo, base: JobInfo | None
) -> Set[bytes]:
    """Return the IDs of the datums whose results are older than those that a job begins with."""
    counts = pipeline.spec.code_counts
    if not counts and base is not None:
        counts = pipelines.by_key(connection, base.pipeline, base.version).spec.code_counts
    return datum_store.reused(connection, base, job) if counts else frozenset()


def _writer_of(
    connection: Connection, objects: ObjectWriter, job: JobInfo, datum: DatumOutput, path: str
) -> bytes:
    """Find the skipped datum whose kept output has a path."""
    for other in datum_store.list_datums(connection, job, DatumState.SKIPPED):
        if tree.lookup(objects, other.output, path) is not None:
            return other.id
    return datum.id


def merge_meta(
    files: FileSystem,
    objects: ObjectWriter,
    job: JobInfo,
    pipeline: PipelineInfo,
    base: JobInfo | None,
    go_on: Callable[[], None],
) -> Root:
    """Return the tree of a job's meta commit: for each datum, a record, and what was in its `/pfs`.

    Folders are those of the inputs and outputs themselves, by reference.

    Args:
        files: The store.
        objects: Where the tree is put.
        job: The job.
        pipeline: Its pipeline, in its version.
        base: The job whose results it begins with.
        go_on: Called again and again; what it raises breaks off.
    """
    with files.snapshot() as connection:
        commit = cache(partial(commits.itself, connection))
        work = _Work(job, pipeline, list(pfs_inputs(pipeline.spec.input)), commit)
        root: Root = None
        if base is not None:
            meta = commits.find_in_set(connection, job.repo.of_type(META), base.id)
            root = meta.root if meta else None
            old = _watched(datum_store.outdated(connection, base, job), go_on)
            while batch := list(islice(old, _BATCH)):
                root = _without(objects, root, batch)
        reused = _reused(connection, job, pipeline, base)
        new = _watched(datum_store.with_new_records(connection, job, reused), go_on)
        while batch := list(islice(new, _BATCH)):
            root = _with(objects, root, batch, work)
    return root


class _Work(NamedTuple):
    """What datums belong to.

    Attributes:
        job: Their job.
        pipeline: Its pipeline, in its version.
        leaves: The pipeline's pfs inputs.
        commit: Finds an input commit by its row.
    """

    job: JobInfo
    pipeline: PipelineInfo
    leaves: Sequence[PfsInput]
    commit: Callable[[int], CommitInfo]


def _without(objects: ObjectWriter, root: Root, datums: Iterable[DatumInfo]) -> Root:
    """Return a meta tree without what it says of some datums."""
    folders = [f"{datum.id.hex()}/" for datum in datums]
    changes = {
        part: Changes(names={folder: Changes(cleared=True) for folder in folders})
        for part in ("meta/", "pfs/")
    }
    return tree.apply(objects, root, Changes(names=dict(changes)))


def _with(objects: ObjectWriter, root: Root, datums: Iterable[DatumInfo], work: _Work) -> Root:
    """Return a meta tree with what there is to say of some of a job's datums."""
    records, layouts = Changes(), Changes()
    for datum in datums:
        key = f"{datum.id.hex()}/"
        record = Entry.of_file("meta", _record(objects, work.job, datum))
        records.names[key] = _folder(objects, key, [record])
        layout = [
            ([work.leaves[file.leaf].name, *paths.segments(file.path)], file.entry)
            for file in datum.files
        ]
        layout.append(([ENV], Entry.of_file(ENV, _env(objects, work, datum))))
        if datum.output is not None:
            skipped = datum.state is DatumState.SKIPPED
            size = tree.size_of(objects, datum.output) if skipped else datum.stats.upload_bytes
            layout.append(([OUT], Entry("", Kind.FOLDER, datum.output, size)))
        layouts.names[key] = _nested(objects, key, layout)
    return tree.apply(objects, root, Changes(names={"meta/": records, "pfs/": layouts}))


def _nested(objects: ObjectWriter, key: str, parts: Sequence[tuple[list[str], Entry]]) -> _Placed:
    """Store a folder of files and whole folders, each at a path of some names; None without any."""
    whole: dict[str, _Placed] = {}
    within: dict[str, list[tuple[list[str], Entry]]] = {}
    for (name, *rest), entry in parts:
        if rest:
            within.setdefault(f"{name}/", []).append((rest, entry))
        else:
            its_key = f"{name}/" if entry.is_folder else name
            whole[its_key] = entry._replace(key=its_key)
    for name, below in within.items():
        if name not in whole:  # what is in a folder that is there whole is there, too
            whole[name] = _nested(objects, name, below)
    return _folder(objects, key, [whole[name] for name in sorted(whole)])


def _folder(objects: ObjectWriter, key: str, entries: Iterable[_Placed]) -> _Placed:
    """Store a folder of entries in their order, and return its own; None without any."""
    ref = folders.build(objects, filter(None, entries))
    return None if ref is None else Entry(key, Kind.FOLDER, ref.hash, ref.size)


def _read_ahead(outputs: Prefetch, datums: Iterator[_D]) -> Iterator[_D]:
    """Yield datums whose outputs' root nodes have been read."""
    while batch := list(islice(datums, _READ_AHEAD)):
        outputs.fetch(datum.output for datum in batch if datum.output is not None)
        yield from batch


def _watched(datums: Iterable[_D], go_on: Callable[[], None]) -> Iterator[_D]:
    for number, datum in enumerate(datums):
        if number % _LOOK_UP_EVERY == 0:
            go_on()
        yield datum


def _env(objects: ObjectWriter, work: _Work, datum: DatumInfo) -> Content:
    files = datum_store.load_files(datum.files, work.leaves, work.commit)
    env = variables.recorded(work.pipeline, work.job, files, datum.id)
    return _content(objects, env_lines(env))


def _record(objects: ObjectWriter, job: JobInfo, datum: DatumInfo) -> Content:
    record = {
        "job": {"pipeline": {"project": job.repo.project, "name": job.repo.name}, "id": job.id},
        "inputs": [{"path": file.path, "hash": file.entry.hash.hex()} for file in datum.files],
        "hash": datum.hash.hex(),
        "index": datum.ordinal,
        "state": datum.state.name,
    }
    return _content(objects, json.dumps(record).encode())


def _content(objects: ObjectWriter, data: bytes) -> Content:
    writer = ContentWriter(objects)
    writer.write(data)
    return writer.finish()
