"""Datums: the units of work that a pipeline's input makes of commits, one after the other.

A datum is a choice of paths, one from each input it has. Its *id* names the choice; its *hash* also
covers what lies there, so an equal hash means equal work. See
https://docs.pachyderm.com/latest/learn/glossary/datum/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice, product
from typing import NamedTuple, TypeAlias

import msgpack
from blake3 import blake3

from pachlocal.errors import FailedPreconditionError
from pachlocal.pfs.history.names import BranchName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree.content import Reader, Watched
from pachlocal.pfs.tree.entries import Entry
from pachlocal.pfs.tree.globs import compile_glob, glob
from pachlocal.pps.spec.inputs import Input, PfsInput, pfs_inputs

_FEW = 1000  # datums that an arm of a cross has in memory, instead of finding them again and again
_FEW_OF_ALL = 10_000  # ... all arms together
_MOST_HELD = 2_000_000  # files in the memory of a join or group, some 500 bytes each


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
    """Name a datum by the names of its files: 32 bytes, the same for every commit.

    The name is the one that Pachyderm gives it: BLAKE2b over input, repo, branch and path, each
    followed by its length.
    """
    digest = hashlib.blake2b(digest_size=32)
    for file in datum:
        branch = file.input.branch
        for name in (file.input.name, branch.repo.name, branch.name, file.path):
            text = name.encode()
            digest.update(text + len(text).to_bytes(8, "big"))
    return digest.digest()


def datum_hash(datum: Datum, salt: str) -> bytes:
    """Hash a datum's names and content with the pipeline's salt: 32 bytes."""
    parts = [
        (
            *input_.origin,
            path,
            b"" if input_.reference else entry.hash,
            join_key,
            group_key,
        )
        for input_, _, path, entry, join_key, group_key in datum
    ]
    return blake3(msgpack.packb([salt, parts])).digest()


def enumerate_datums(
    objects: Reader, commits: Commits, input_: Input, check: Callable[[], None]
) -> Iterator[Datum]:
    """Yield the datums of an input lazily.

    Args:
        objects: Where the trees are.
        commits: The commit of each branch that the input names; a branch without one is empty.
        input_: The input.
        check: Called again and again, also where nothing is found for long; what it raises breaks
            off.

    Raises:
        InvalidArgumentError: A pattern is of an older store, and can't be worked with.
        FailedPreconditionError: A join or group has more datums than are held in memory.
    """
    return _Search(Watched(objects, check), commits, check).datums(input_)


def distinct(datums: Iterator[Datum], input_: Input) -> Iterator[Datum]:
    """Yield an input's datums without those that another arm of a union has given, as a job does.

    Only where two leaves have the same files is there anything to remember.
    """
    origins = [leaf.origin for leaf in pfs_inputs(input_)]
    if len(set(origins)) == len(origins):
        yield from datums
        return
    seen: set[bytes] = set()
    for datum in datums:
        id_ = datum_id(datum)
        if id_ not in seen:
            seen.add(id_)
            yield datum


class _Search:
    """Finds the datums of an input in some commits."""

    def __init__(self, objects: Reader, commits: Commits, check: Callable[[], None]) -> None:
        self._objects = objects
        self._commits = commits
        self._check = check

    def datums(self, input_: Input) -> Iterator[Datum]:
        if isinstance(input_, PfsInput):
            return ((file,) for file in self._files(input_))
        if input_.kind == "cross":
            return self._cross(input_.arms)
        if input_.kind == "union":
            return chain.from_iterable(map(self.datums, input_.arms))
        if input_.kind == "join":
            return self._join(input_.arms)
        return self._group(input_.arms)

    def _files(self, input_: PfsInput) -> Iterator[DatumFile]:
        commit = self._commits.get(input_.branch)
        if commit is None:
            return
        pattern = compile_glob(input_.glob)
        for path, entry in glob(self._objects, commit.root, pattern):
            yield DatumFile(
                input_,
                commit,
                path,
                entry,
                pattern.expand(path, input_.join_on) if input_.join_on else "",
                pattern.expand(path, input_.group_by) if input_.group_by else "",
            )

    def _cross(self, arms: Sequence[Input]) -> Iterator[Datum]:
        """Yield the combinations of all arms, the last arm's datums changing fastest."""
        kept: list[list[Datum] | None] = []
        room = _FEW_OF_ALL
        for arm in arms:
            few = list(islice(self.datums(arm), min(_FEW, room) + 1))
            if not few:  # found out before the others are gone through for nothing
                return
            kept.append(few if len(few) <= min(_FEW, room) else None)
            room -= len(kept[-1] or ())

        def each(index: int) -> Iterator[Datum]:
            few = kept[index]
            return iter(few) if few is not None else self.datums(arms[index])

        chosen: list[Datum] = [()]  # of the arms before each that is gone through
        ahead = [each(0)]
        while ahead:
            datum = next(ahead[-1], None)
            if datum is None:
                ahead.pop()
                chosen.pop()
            elif len(ahead) == len(arms):
                yield chosen[-1] + datum
            else:
                chosen.append(chosen[-1] + datum)
                ahead.append(each(len(ahead)))

    def _join(self, arms: Sequence[Input]) -> Iterator[Datum]:
        """Yield the combinations of all arms whose keys are equal, keys in byte order.

        An arm with `outer_join` gives its matches also where another arm has none for the key.
        """
        sides = self._by_key(arms, "join_key")
        for key in sorted({key for side in sides for key in side}):
            present = [side[key] for side in sides if key in side]
            if len(present) < len(sides):
                present = [
                    datums for datums in present if all(file.input.outer_join for file in datums[0])
                ]
            if present:
                yield from (tuple(chain.from_iterable(chosen)) for chosen in product(*present))

    def _group(self, arms: Sequence[Input]) -> Iterator[Datum]:
        """Yield all files of equal key as one datum, keys in byte order."""
        sides = self._by_key(arms, "group_key")
        for key in sorted({key for side in sides for key in side}):
            yield tuple(file for side in sides for datum in side.get(key, ()) for file in datum)

    def _by_key(self, arms: Sequence[Input], attribute: str) -> list[dict[str, list[Datum]]]:
        """Return the datums of each arm by their key."""
        files = 0
        sides = []
        for arm in arms:
            side: dict[str, list[Datum]] = {}
            for datum in self.datums(arm):
                self._check()  # those of a cross may come from memory
                files += len(datum)
                if files > _MOST_HELD:
                    raise FailedPreconditionError(
                        f"a join or group of more than {_MOST_HELD:,} files can't be worked with: "
                        "it has to hold them in memory"
                    )
                side.setdefault(getattr(datum[0], attribute), []).append(datum)
            sides.append(side)
        return sides
