"""The small files of a worker's `/pfs`: written over for the next datum instead of made anew.

A new file costs more than its content. Most of all on ext4 without a journal, as virtual machines
have it: there each new file passes over all that were deleted in the last minutes, one by one
(`recently_deleted` in the kernel's fs/ext4/ialloc.c), and workers delete all the time.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Set
from typing import NamedTuple

from pachlocal.pps.worker.layout import modification_marks
from pachlocal.pps.worker.layout.modification_marks import Identity, ModificationMark, identity

if sys.platform == "linux":
    import fcntl

_MOST_FILES = 100
_MOST_BYTES = 64 * 1024  # of a file; the content of a larger one costs more than to make it

_EXISTING = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_NOFOLLOW | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_MODE = 0o666  # less the umask


class _LaidFile(NamedTuple):
    """A file that was written.

    Attributes:
        made: What tells that it is still the same.
        size: Its bytes.
        name: What names its content, if anything does.
        mark: Tells that it still has that content.
    """

    made: Identity
    size: int
    name: bytes
    mark: ModificationMark | None


class FileReuse:
    """Writes the files of one datum after the other. Belongs to one thread.

    A file serves again if it still is what was made, has no other name, and nobody has it open.
    """

    def __init__(self) -> None:
        self.changed: set[str] = set()  # folders in which names came or went
        self._made: dict[str, _LaidFile] = {}  # for the datum that is there
        self._before: dict[str, _LaidFile] = {}  # for the datum before
        self._free: dict[str, _LaidFile] = {}

    def begin(self) -> None:
        """Begin with the next datum: what was written is the datum's before."""
        self._made, self._before, self._free = {}, self._made, {}
        self.changed.clear()

    def wants(self, place: str) -> bool:
        """Whether there was written a file for the datum before that may serve this one."""
        return place in self._before

    def wrote(self, places: Set[str]) -> bool:
        """Whether all these are files that may serve the next datum."""
        return places <= self._made.keys()

    def take(self, places: Iterable[str]) -> None:
        """Take files of the datum before, to be written over or removed by `end`."""
        self._free.update((place, self._before[place]) for place in places)

    def write(self, place: str, pieces: Iterable[bytes], name: bytes = b"") -> int:
        """Write a file, and return its bytes; the folders that it lies in are made.

        Args:
            place: Its path.
            pieces: Its content.
            name: What names the content: a file that has it already is left as it is.
        """
        there = self._free.get(place)
        same = there if there is not None and name and there.name == name else None
        if same is not None and modification_marks.is_as_left(place, same.mark):
            self._made[place] = self._free.pop(place)
            return same.size
        file, made, before = self._open(place)
        try:
            size = 0
            for piece in pieces:
                size += write_all(file, piece)
            if size < before:
                os.ftruncate(file, size)
            if size <= _MOST_BYTES and len(self._made) < _MOST_FILES:
                made = made or identity(os.fstat(file))
                mark = modification_marks.leave(file) if same is not None else None
                self._made[place] = _LaidFile(made, size, name, mark)
        finally:
            os.close(file)
        return size

    def end(self) -> None:
        """Remove the files that were taken and not needed."""
        for place in self._free:
            os.unlink(place)  # noqa: PTH108 - pathlib takes longer than the call
            self._note(place)
        self._free.clear()

    def _note(self, place: str) -> None:
        self.changed.add(place[: place.rindex("/")])

    def _best(self, place: str) -> str:
        """Return the file to write over: of the same name, or at least the same folder."""
        if place in self._free:
            return place
        folder = place[: place.rindex("/") + 1]
        return next((it for it in self._free if it.startswith(folder)), next(iter(self._free)))

    def _open(self, place: str) -> _Opened:
        """Open a file for writing, one that was taken or a new one."""
        while self._free:
            spare = self._best(place)
            opened = _reopen(spare, self._free.pop(spare))
            if opened is None:
                os.unlink(spare)  # noqa: PTH108
                self._note(spare)
                continue
            if spare != place:
                _move(spare, place)
                self._note(spare)
                self._note(place)
            return opened
        self._note(place)
        try:
            return _Opened(os.open(place, _NEW, _MODE))
        except FileNotFoundError:
            _make_parent(place)
            return _Opened(os.open(place, _NEW, _MODE))


class _Opened(NamedTuple):
    """A file, open for writing.

    Attributes:
        file: Its descriptor.
        made: What it is, unless it is new.
        size: How many bytes it has.
    """

    file: int
    made: Identity | None = None
    size: int = 0


def _reopen(place: str, file: _LaidFile) -> _Opened | None:
    """Open a file to be written over; None when it must not be."""
    try:
        descriptor = os.open(place, _EXISTING)
    except OSError:
        return None
    found = os.fstat(descriptor)
    is_ours = identity(found) == file.made and found.st_nlink == 1
    if is_ours and _is_open_nowhere_else(descriptor):
        return _Opened(descriptor, file.made, found.st_size)
    os.close(descriptor)
    return None


def _is_open_nowhere_else(file: int) -> bool:
    """Whether nobody else has a file open, or mapped: only then the kernel gives a write lease.

    See fcntl(2). The lease lasts until we close the file. Who opens it before that has to wait, and
    has us sent a signal: one that does nothing.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:  # somebody has; or the file system knows no leases
        return False
    return True


def _move(spare: str, place: str) -> None:
    try:
        os.rename(spare, place)  # noqa: PTH104
    except FileNotFoundError:
        _make_parent(place)
        os.rename(spare, place)  # noqa: PTH104


def _make_parent(place: str) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120


def write_all(file: int, data: bytes) -> int:
    """Write bytes to an open file, and return how many they are."""
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, memoryview(data)[written:])
    return written
