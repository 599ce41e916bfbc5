"""What `put file` is to read: local files and directories, standard input, URLs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from pachlocal.errors import CliError

STDIN = "-"
_NAME = attrgetter("name")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Item(NamedTuple):
    """One thing to put: a file, standard input, or a URL that the server fetches."""

    source: str
    target: str


class Total(NamedTuple):
    """How much a source is: files, and bytes where they are known without asking each file."""

    files: int
    size: int


def is_url(source: str) -> bool:
    """Tell whether the server has to fetch a source."""
    return _URL.match(source) is not None


def target_of(
    source: str, path: str | None, *, recursive: bool, full_path: bool, alone: bool
) -> str:
    """Decide where in the repo a source goes.

    Args:
        source: What -f says.
        path: The path behind the branch, if there is one.
        recursive: Whether directories are put.
        full_path: Whether the source's whole path is kept, not its last part alone.
        alone: Whether it is the only source.

    Raises:
        CliError: Standard input, and no path.
    """
    if source == STDIN and not path:
        raise CliError("standard input has no name: say where it goes, as in REPO@BRANCH:PATH")
    name = _kept(source, full_path)
    if not path:
        target = name
    elif alone and not (full_path if recursive else path.endswith("/")):
        target = path
    else:
        target = posixpath.join(path, name.lstrip("/"))
    return posixpath.normpath(target)


def _kept(source: str, full_path: bool) -> str:
    if is_url(source):
        path = urlsplit(source).path
        return path.lstrip("/") if full_path else posixpath.basename(path.rstrip("/"))
    path = os.path.normpath(source).replace(os.sep, "/")
    return path if full_path else posixpath.basename(path)


def check(source: str, *, recursive: bool) -> Total:
    """Look whether a source can be read, before anything is sent, and how much it is.

    Raises:
        CliError: It can't.
    """
    if is_url(source):
        return Total(1, 0)
    if source == STDIN:
        if recursive:
            raise CliError("standard input isn't a directory: omit -r")
        return Total(1, 0)
    path = Path(source)
    if not path.is_dir():
        if not path.exists():
            raise CliError(f"{path}: no such file")
        _check_readable(source)
        return Total(1, path.stat().st_size)
    if not recursive:
        raise CliError(f"{source} is a directory: add -r to put all that is in it")
    count = 0
    for entry, _ in _walk(source, ""):
        if not entry.is_file():
            _refuse(entry)
        _check_readable(entry.path)
        count += 1
    return Total(count, 0)


def _refuse(entry: os.DirEntry[str]) -> NoReturn:
    if entry.is_symlink() and not Path(entry.path).exists():
        raise CliError(f"{entry.path}: a link to what isn't there")
    raise CliError(f"{entry.path} is neither a file nor a directory")


def _check_readable(path: str) -> None:
    if not os.access(path, os.R_OK):
        raise CliError(f"{path}: no permission to read it")


def expand(item: Item) -> Iterator[Item]:
    """Give the files of a directory, in the order of their names; anything else as it is."""
    if item.source == STDIN or is_url(item.source) or not Path(item.source).is_dir():
        yield item
        return
    target = posixpath.normpath(item.target)
    prefix = "" if target == "." else target.rstrip("/") + "/"
    for entry, path in _walk(item.source, prefix):
        yield Item(entry.path, path)


def _walk(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield what isn't a directory, with its path behind a prefix."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=_NAME)
    for entry in entries:
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, path + "/")
        else:
            yield entry, path
