"""A worker's folders: made, removed, and swept up after a daemon that crashed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from pachlocal.errors import InvalidArgumentError

from .rewrite import is_plain

_MARK = ".pachlocal-scratch"
_LINKS_PREFIX = "pachlocal-"
_TRIES = 5


class WorkerFolder:
    """The scratch folder of one worker.

    Attributes:
        pfs: What its commands see as `/pfs`.
        root: An empty folder that a new root can be built on.
        secrets: Where secret files are laid out; not there before they are.
    """

    def __init__(self, scratch: Path, name: str) -> None:
        """Make it.

        Raises:
            InvalidArgumentError: The name is not fit for a file name.
            FileExistsError: There is a worker of this name.
        """
        if name in {"", ".", "..", _MARK} or "/" in name or "\0" in name:
            raise InvalidArgumentError(f"worker name {name!r} is not fit for a file name")
        self._base = scratch / name
        self.pfs = self._base / "pfs"
        self.root = self._base / "root"
        self.secrets = self._base / "secrets"
        self._links = self._base / "links"
        self._base.mkdir()
        self.pfs.mkdir()
        self.root.mkdir()

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
        """Remove it, with all that commands left in it."""
        _remove_worker(self._base)


def prepare_scratch(scratch: Path) -> None:
    """Make the folder of the workers, or empty it: what is in it is a dead daemon's.

    Raises:
        InvalidArgumentError: The folder is in other use; nothing was removed.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    mark = scratch / _MARK
    entries = [entry for entry in scratch.iterdir() if entry != mark]
    if entries and not mark.exists():
        raise InvalidArgumentError(
            f"{scratch} holds other things: name an empty folder for scratch"
        )
    mark.touch()
    for entry in entries:
        _remove_worker(entry)


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
