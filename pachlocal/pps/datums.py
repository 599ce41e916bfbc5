"""Datums: the units of work that a pipeline's input makes of commits, one after the other.

A datum is a choice of paths, one from each input it has. Its *id* names the choice; its *hash* also
covers what lies there, so an equal hash means equal work. See
https://docs.pachyderm.com/latest/learn/glossary/datum/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from typing import NamedTuple, TypeAlias

import msgpack
from blake3 import blake3

from pachlocal.pfs.content import Reader
from pachlocal.pfs.entries import Entry
from pachlocal.pfs.globs import compile_glob, glob
from pachlocal.pfs.names import BranchName
from pachlocal.pfs.records import CommitInfo
from pachlocal.pps.inputs import CombinedInput, Input, PfsInput

_FEW = 1000  # datums that a cross holds in memory, instead of finding them again and again


class DatumFile(NamedTuple):
    """A file or folder of a datum: `path` in `commit`, shown below `/pfs/<input name>`.

    Attributes:
        input: The input it comes from.
        commit: The commit it lies in.
        path: Its path there; a folder's ends in `/`.
        entry: What it is.
        join_key: The key that joined it, empty without a join.
        group_key: The key that grouped it, empty without a group.
    """

    input: PfsInput
    commit: CommitInfo
    path: str
    entry: Entry
    join_key: str = ""
    group_key: str = ""


Datum: TypeAlias = tuple[DatumFile, ...]
Commits: TypeAlias = Mapping[BranchName, CommitInfo]


def datum_id(datum: Datum) -> bytes:
    """Name a datum by the names of its files: 32 bytes, the same for every commit."""
    names = [(*_origin(file.input), file.path) for file in datum]
    return blake3(msgpack.packb(names)).digest()


def datum_hash(datum: Datum, salt: str) -> bytes:
    """Hash a datum's names and content with the pipeline's salt: 32 bytes."""
    parts = [
        (*_origin(file.input), file.path, _content(file), file.join_key, file.group_key)
        for file in datum
    ]
    return blake3(msgpack.packb([salt, parts])).digest()


def _content(file: DatumFile) -> bytes:
    return b"" if file.input.reference else file.entry.hash


def enumerate_datums(objects: Reader, commits: Commits, input_: Input) -> Iterator[Datum]:
    """Yield the datums of an input lazily.

    Args:
        objects: Where the trees are.
        commits: The commit of each branch that the input names; a branch without one is empty.
        input_: The input.
    """
    if isinstance(input_, PfsInput):
        for file in _files(objects, commits, input_):
            yield (file,)
    elif input_.kind == "cross":
        yield from _cross(objects, commits, input_.arms)
    elif input_.kind == "union":
        for arm in input_.arms:
            yield from enumerate_datums(objects, commits, arm)
    elif input_.kind == "join":
        yield from _join(objects, commits, input_)
    else:
        yield from _group(objects, commits, input_)


def _origin(input_: PfsInput) -> tuple[str, str, str]:
    return input_.name, str(input_.branch.repo), input_.branch.name


def _files(objects: Reader, commits: Commits, input_: PfsInput) -> Iterator[DatumFile]:
    commit = commits.get(input_.branch)
    if commit is None:
        return
    pattern = compile_glob(input_.glob)
    for path, entry in glob(objects, commit.root, pattern):
        yield DatumFile(
            input_,
            commit,
            path,
            entry,
            pattern.expand(path, input_.join_on) if input_.join_on else "",
            pattern.expand(path, input_.group_by) if input_.group_by else "",
        )


def _cross(objects: Reader, commits: Commits, arms: Sequence[Input]) -> Iterator[Datum]:
    if not arms:
        yield ()
        return
    few = list(islice(_cross(objects, commits, arms[1:]), _FEW + 1))
    for first in enumerate_datums(objects, commits, arms[0]):
        for rest in few if len(few) <= _FEW else _cross(objects, commits, arms[1:]):
            yield first + rest


def _join(objects: Reader, commits: Commits, input_: CombinedInput) -> Iterator[Datum]:
    """Yield the combinations of all arms whose keys are equal, keys in byte order.

    An arm with `outer_join` gives its matches also where another arm has none for the key.
    """
    arms = [_by_key(objects, commits, arm, "join_key") for arm in input_.arms]
    for key in sorted({key for arm in arms for key in arm}):
        present = [arm[key] for arm in arms if key in arm]
        if len(present) < len(arms):
            present = [
                datums for datums in present if all(file.input.outer_join for file in datums[0])
            ]
        if present:
            yield from reduce(
                lambda left, right: [one + other for one in left for other in right], present
            )


def _group(objects: Reader, commits: Commits, input_: CombinedInput) -> Iterator[Datum]:
    """Yield all files of equal key as one datum, keys in byte order."""
    arms = [_by_key(objects, commits, arm, "group_key") for arm in input_.arms]
    for key in sorted({key for arm in arms for key in arm}):
        yield tuple(file for arm in arms for datum in arm.get(key, ()) for file in datum)


def _by_key(
    objects: Reader, commits: Commits, arm: Input, attribute: str
) -> dict[str, list[Datum]]:
    found: dict[str, list[Datum]] = {}
    for datum in enumerate_datums(objects, commits, arm):
        found.setdefault(getattr(datum[0], attribute), []).append(datum)
    return found
