"""A worker's folders: made, removed, and swept up after a daemon that crashed."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

from pachlocal.errors import InvalidArgumentError

from .rewrite import is_plain

_log = logging.getLogger(__name__)

_MARK = ".pachlocal-scratch"
CONTAINERS_MARK = ".pachlocal-containers"
"""A file in the scratch folder that stays until no container of its daemon is left."""

_LINKS_PREFIX = "pachlocal-"
_DOOMED_PREFIX = ".removed-"
_TRIES = 5


class WorkerFolder:
    """The scratch folder of one worker.

    Attributes:
        pfs: What its commands see as `/pfs`.
        root: An empty folder that a new root can be built on.
        secrets: Where secret files are laid out; not there before they are.
        image: Where files of its image are put together; not there before they are.
        client: Where a container finds pachctl; not there before it is made.
    """

    def __init__(self, scratch: Path, name: str) -> None:
        """Make it.

        Raises:
            InvalidArgumentError: The name is not fit for a file name.
            FileExistsError: There is a worker of this name.
            OSError: The disk is full, or the like.
        """
        if name in {"", ".", "..", _MARK, CONTAINERS_MARK} or "/" in name or "\0" in name:
            raise InvalidArgumentError(f"worker name {name!r} is not fit for a file name")
        self._base = scratch / name
        self.pfs = self._base / "pfs"
        self.root = self._base / "root"
        self.secrets = self._base / "secrets"
        self.image = self._base / "image"
        self.client = self._base / "client"
        self._links = self._base / "links"
        self._base.mkdir()
        try:
            self.pfs.mkdir()
            self.root.mkdir()
        except OSError:
            self.remove()
            raise

    def plain_path(self, path: Path) -> str:
        """A path to a folder that can stand unquoted in a shell script.

        A user's own folders may have blanks in them (`~/Library/Application Support`), `/pfs` has
        none, and nobody quotes it. Such a path is reached over a link in the folder for temporary
        files; as far as possible the link stands for a parent, since `find` does not follow one.
        """
        if is_plain(path):
            return str(path)
        if not self._links.is_symlink():
            folder = tempfile.mkdtemp(prefix=_LINKS_PREFIX)
            if not is_plain(folder):
                Path(folder).rmdir()
                folder = tempfile.mkdtemp(prefix=_LINKS_PREFIX, dir="/tmp")
            self._links.symlink_to(folder)
        links = self._links.readlink()
        link = links / str(len(list(links.iterdir())))
        if is_plain(path.name):
            link.symlink_to(path.parent)
            return str(link / path.name)
        link.symlink_to(path)
        return str(link)

    def remove(self) -> None:
        """Remove it, with all that commands left in it.

        Raises:
            OSError: Something can't be removed. The name is free all the same, and the rest is
                removed by the next daemon.
        """
        try:
            doomed = _doom(self._base)
        except FileNotFoundError:
            return  # somebody has removed it
        _remove_worker(doomed)


def prepare_scratch(scratch: Path) -> threading.Thread:
    """Make the folder of the workers; what is in it is a dead daemon's, and is removed meanwhile.

    Returns:
        The thread that removes it. Nobody has to wait for that: the names are free.

    Raises:
        InvalidArgumentError: The folder is in other use; nothing was removed.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = scratch / _MARK
    kept = (mark, scratch / CONTAINERS_MARK)
    entries = [entry for entry in scratch.iterdir() if entry not in kept]
    if entries and not mark.exists():
        raise InvalidArgumentError(
            f"{scratch} holds other things: name an empty folder for scratch"
        )
    mark.touch()
    doomed = [_doom(entry) for entry in entries]
    removing = threading.Thread(
        target=_remove_workers, args=(doomed,), name="leftover workers", daemon=True
    )
    removing.start()
    return removing


def _doom(base: Path) -> Path:
    """Give what is to be removed a name that nobody takes."""
    if base.name.startswith(_DOOMED_PREFIX):
        return base
    return base.rename(base.with_name(f"{_DOOMED_PREFIX}{uuid4().hex}"))


def _remove_workers(doomed: list[Path]) -> None:
    for base in doomed:
        try:
            _remove_worker(base)
        except OSError as error:
            _log.warning("%s can't be removed, the next start tries again: %s", base, error)


def remove_tree(path: Path) -> None:
    """Remove a folder, its write-protected folders too (commands make such), or a file.

    Raises:
        OSError: Something in it can't be removed.
    """
    for left in reversed(range(_TRIES)):
        try:
            _remove(path)
        except FileNotFoundError:
            return
        except PermissionError:
            if not left:
                raise
            _unprotect(path)
        except OSError as error:
            # A command of a crashed daemon may still be dying, and writing.
            if error.errno != errno.ENOTEMPTY or not left:
                raise
            time.sleep(0.02)
        else:
            return


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _unprotect(path: Path) -> None:
    path.chmod(path.stat().st_mode | stat.S_IRWXU)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = Path(folder, name)
            if not inner.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    inner.chmod(inner.stat().st_mode | stat.S_IRWXU)


def _remove_worker(base: Path) -> None:
    links = base / "links"
    if links.is_symlink():
        target = links.readlink()
        if target.name.startswith(_LINKS_PREFIX):
            remove_tree(target)
    remove_tree(base)
