"""The code of jobs: fixed when a job starts, kept in the store, laid out for its workers.

What an image's folder holds is a version, see `pachlocal.pps.tables.code_versions`. A job keeps the
one it has started with, whatever is saved meanwhile, also when another daemon takes it up again. A
version is laid out once for all workers: the inode and times of a script are the same from job to
job, so that warm interpreters stay warm (`runtime/launcher/warm.py`).
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pachlocal.errors import ImageUnavailableError, LeftError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree import content
from pachlocal.pfs.tree.content import ContentWriter, Objects
from pachlocal.pfs.tree.entries import Hash
from pachlocal.pfs.tree.scratch import Scratch
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import code_versions, jobs
from pachlocal.pps.tables.code_versions import CodeFile, CodeVersion
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.runtime.code_folder import CodeFolder, Stamp, stamp_of
from pachlocal.runtime.contract import CodeSource, Runtime, untold
from pachlocal.runtime.folders import remove_tree
from pachlocal.storage.object_writer import ObjectWriter

_TRIES = 3  # to read a folder that changes meanwhile
_PAUSE_S = 0.05  # between them
_SETTLED_NS = 2_000_000_000  # what was written later may be written again with the same times
_CHUNK = 1 << 20
_MOST_IDLE = 8  # layouts that no job uses


@dataclass(frozen=True, slots=True)
class JobCode:
    """What a job runs.

    Attributes:
        version: Its version.
        folder: Where that is laid out; None where the image itself holds it.
    """

    version: CodeVersion
    folder: Path | None


class CodeKeeper:
    """Keeps the code of all jobs of a daemon. Any thread may use it."""

    def __init__(self, files: FileSystem, runtime: Runtime) -> None:
        self._files = files
        self._runtime = runtime
        self._lock = threading.Lock()  # guards the next one
        self._folders: dict[Path, _SeenFolder] = {}
        self._layouts = _Layouts(files)

    @contextmanager
    def begin(
        self,
        job: JobInfo,
        image: str,
        given_up: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = untold,
    ) -> Iterator[JobCode | None]:
        """Let a job run, by its code, which stays laid out while the block lasts.

        Args:
            job: The job; when it is taken up again, it keeps the version that it began with.
            image: Its image.
            given_up: Asked while what the code needs is made ready.
            tell: Is told how far that is.

        Yields:
            Its code; None when its image has none of its own.

        Raises:
            ImageUnavailableError: The image isn't there, or its folder can't be read; or what it
                needs can't be made ready.
            LeftError: The caller has given up.
        """
        source = self._runtime.code_of(image)
        version = self._fix(job, source)
        if version is None:
            yield None
        elif version.root is None:
            yield JobCode(version, None)
        elif source is None or source.layouts is None:  # of another runtime: it can't be shown
            yield None
        else:
            with self._layouts.use(source.layouts, version.root) as folder:
                self._prepare(job, image, folder, given_up, tell)
                yield JobCode(version, folder)

    def now(self, image: str) -> tuple[str, dict[str, CodeFile]]:
        """Return what names the code that a job of an image would run now, and its files.

        The name is empty, and there are no files, when the image has no code of its own.

        Raises:
            ImageUnavailableError: The image isn't there, or its folder can't be read.
        """
        source = self._runtime.code_of(image)
        if source is None or source.folder is None:
            return (source.image_id if source else ""), {}
        with Scratch(self._files.objects) as objects:
            seen = self._seen(source.folder).look(objects)
        return seen.root.hex(), dict(seen.files)

    def _prepare(
        self,
        job: JobInfo,
        image: str,
        folder: Path,
        given_up: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        """Make ready what a version needs; if it can't be, the job may begin with another one."""
        try:
            if not self._runtime.prepare(image, given_up, tell, folder):
                raise LeftError
        except ImageUnavailableError:
            if not job.planned:
                with self._files.transaction() as tx:
                    jobs.set_code(tx, job, None)
            raise

    def _fix(self, job: JobInfo, source: CodeSource | None) -> CodeVersion | None:
        """Let a job run, with its version noted; return that."""
        if source is None:
            with self._files.transaction() as tx:
                return _note(tx, job, None)
        if source.folder is None:
            with self._files.transaction() as tx:
                return _note(tx, job, code_versions.insert(tx, source.image_id, None))
        with self._files.snapshot() as connection:
            begun = code_versions.by_key(connection, job.code)
        if begun is not None and begun.root is not None:
            with self._files.transaction() as tx:
                return _note(tx, job, begun)
        return self._snapshot(job, source.folder)

    def _snapshot(self, job: JobInfo, folder: CodeFolder) -> CodeVersion:
        seen = self._seen(folder)
        for again in (False, True):  # what was known may have been collected as garbage
            with ObjectWriter(self._files.objects) as objects:
                look = seen.look(objects, again=again)
                objects.prepare()
                with self._files.transaction() as tx:
                    found = code_versions.find(tx.connection, look.root.hex())
                    if found is None and look.is_stored:
                        found = code_versions.insert(tx, look.root.hex(), look.root)
                    objects.write_into(tx.connection)
                    if found is not None:
                        return _note(tx, job, found)
        raise AssertionError("a version that was stored is not there")

    def _seen(self, folder: CodeFolder) -> _SeenFolder:
        with self._lock:
            seen = self._folders.get(folder.path)
            if seen is None:
                seen = self._folders[folder.path] = _SeenFolder(folder)
            return seen


_V = TypeVar("_V", CodeVersion, None)


def _note(tx: Transaction, job: JobInfo, version: _V) -> _V:
    jobs.set_code(tx, job, version.key if version else None)
    jobs.set_state(tx, job, JobState.RUNNING)
    return version


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at a folder found.

    Attributes:
        root: Its version's tree.
        files: Its files.
        is_stored: Whether all that the tree needs has just been put.
    """

    root: Hash
    files: Mapping[str, CodeFile]
    is_stored: bool


class _SeenFolder:
    """A folder, and what it held when it was last read: what looks the same isn't read again."""

    def __init__(self, folder: CodeFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()  # one reads it at a time
        self._stamps: dict[str, Stamp] | None = None
        self._look: _Look | None = None

    def look(self, objects: Objects, *, again: bool = False) -> _Look:
        """Find out what the folder holds.

        Args:
            objects: Where contents are put, if they are read.
            again: Read them in any case.

        Raises:
            ImageUnavailableError: It can't be read, or changes again and again.
        """
        with self._lock:
            return self._read(objects, again=again)

    def _read(self, objects: Objects, *, again: bool) -> _Look:
        stamps = self._folder.scan()
        if self._look is not None and stamps == self._stamps and not again:
            return self._look
        for _ in range(_TRIES):
            begun = time.time_ns()
            with self._folder.reading():
                files = {path: self._file(objects, path, it) for path, it in stamps.items()}
            before, stamps = stamps, self._folder.scan()
            if stamps == before:
                root = code_versions.store(objects, files)
                newest = max((max(it.modified, it.changed) for it in stamps.values()), default=0)
                self._stamps = stamps if newest < begun - _SETTLED_NS else None
                self._look = _Look(root, files, is_stored=False)
                return _Look(root, files, is_stored=True)
            time.sleep(_PAUSE_S)
        changed = [path for path in before.keys() | stamps if before.get(path) != stamps.get(path)]
        raise self._folder.error(
            f"which changes while it is read ({code_versions.listed(sorted(changed))})"
        )

    def _file(self, objects: Objects, path: str, stamp: Stamp) -> CodeFile:
        if stat.S_ISDIR(stamp.mode):
            return CodeFile(stamp.mode)
        if stat.S_ISLNK(stamp.mode):
            return CodeFile(stamp.mode, target=self._folder.target(path))
        writer = ContentWriter(objects)
        with self._folder.open(path) as file:
            while data := file.read(_CHUNK):
                writer.write(data)
        return CodeFile(stamp.mode, writer.finish())


@dataclass(slots=True)
class _Layout:
    """A version as files.

    Attributes:
        folder: Where they are.
        stamps: What they looked like when they were written.
        users: How many jobs need them.
    """

    folder: Path
    stamps: dict[str, Stamp | None]
    users: int = 0

    def is_sound(self) -> bool:
        """Whether nothing that was written has been changed; commands may, and add to it."""
        above = f"{self.folder}/"
        return all(stamp_of(above + path) == stamp for path, stamp in self.stamps.items())


@dataclass
class _Layouts:
    """The versions that are laid out, those last that were used last."""

    files: FileSystem
    _lock: threading.Lock = field(default_factory=threading.Lock)  # held while one is laid out
    _laid: dict[tuple[Path, Hash], _Layout] = field(default_factory=dict)
    _made: int = 0

    @contextmanager
    def use(self, place: Path, root: Hash) -> Iterator[Path]:
        """Lay a version out below a place, unless it is; it stays there while the block lasts."""
        key = (place, root)
        with self._lock:
            layout = self._laid.pop(key, None)
            if layout is not None and not layout.is_sound():
                if not layout.users:
                    remove_tree(layout.folder)
                layout = None  # whoever uses it may go on; it goes with the daemon
            if layout is None:
                layout = self._lay_out(place, root)
            self._laid[key] = layout
            layout.users += 1
        try:
            yield layout.folder
        finally:
            with self._lock:
                layout.users -= 1
                self._remove_idle()

    def _lay_out(self, place: Path, root: Hash) -> _Layout:
        self._made += 1
        folder = place / f"{root.hex()[:16]}-{self._made}"
        if folder.exists():  # a dead daemon's
            remove_tree(folder)
        folder.mkdir(parents=True)
        with ExitStack() as undo:
            undo.callback(remove_tree, folder)
            stamps = self._write(folder, root)
            undo.pop_all()
        return _Layout(folder, stamps)

    def _write(self, folder: Path, root: Hash) -> dict[str, Stamp | None]:
        objects = self.files.objects
        held = code_versions.load(objects, root)
        for path, file in held.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.content is not None:
                _write(target, content.read(objects, file.content), file.permissions)
            elif file.target:
                target.symlink_to(file.target)
            else:
                target.mkdir(exist_ok=True)
        stamps: dict[str, Stamp | None] = {}
        for path, file in reversed(held.items()):
            target = folder / path
            if stat.S_ISDIR(file.mode):
                target.chmod(file.permissions | stat.S_IRWXU)
            stamps[path] = stamp_of(os.fspath(target))
        return stamps

    def _remove_idle(self) -> None:
        idle = [key for key, layout in self._laid.items() if not layout.users]
        for key in idle[:-_MOST_IDLE]:
            remove_tree(self._laid.pop(key).folder)


def _write(target: Path, pieces: Iterator[bytes], permissions: int) -> None:
    with target.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        os.fchmod(file.fileno(), permissions)
