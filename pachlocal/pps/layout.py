"""Between the store and a worker's `/pfs`: inputs laid out before a command, results collected.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/transform/ for what a command sees.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs import content, tree
from pachlocal.pfs.content import Reader
from pachlocal.pfs.entries import Entry, Root
from pachlocal.pfs.modification import Modification
from pachlocal.pps.datums import Datum
from pachlocal.runtime.folders import remove_tree
from pachlocal.storage.objects import ObjectWriter

_PIECE = 4 * 1024 * 1024  # bytes read at once
_MAX_LINKS = 40  # as many as the kernel follows


class OutputError(InvalidArgumentError):
    """What a command left in `/pfs/out` can't be the files of a commit."""


def lay_out(objects: Reader, datum: Datum, pfs: Path, env: Mapping[str, str]) -> int:
    """Empty a worker's `/pfs` and fill it for a datum; return the bytes written.

    Args:
        objects: Where the content is.
        datum: Its files go to `/pfs/<input>/<path>`.
        pfs: The folder that the command sees as `/pfs`.
        env: What `/pfs/.env` lists, for programs that don't inherit it.
    """
    clear(pfs)
    (pfs / "out").mkdir()
    written = 0
    for file in datum:
        place = pfs / file.input.name
        if file.entry.is_folder:
            folder = place / file.path.strip("/")
            folder.mkdir(parents=True, exist_ok=True)
            for path, entry in tree.files(objects, file.entry.hash, "/"):
                written += _write(objects, entry, folder / path[1:], file.input.empty_files)
        else:
            written += _write(objects, file.entry, place / file.path[1:], file.input.empty_files)
    lines = "".join(f"{name}={value}\n" for name, value in env.items())
    (pfs / ".env").write_text(lines)
    return written


def clear(pfs: Path) -> None:
    """Remove all that is in a worker's `/pfs`."""
    for child in pfs.iterdir():
        remove_tree(child)


def collect(objects: ObjectWriter, pfs: Path) -> tuple[Root, int]:
    """Store what is in `/pfs/out`; return its tree and its bytes.

    Links are followed, as long as they stay in `/pfs`. Empty folders vanish.

    Raises:
        OutputError: A name can't be a path in a repo, a link leads out of `/pfs`, or something is
            neither a file nor a folder.
    """
    size = 0
    with Modification(objects) as modification:
        for path, place in _walk(pfs, pfs / "out", "/", _MAX_LINKS):
            modification.add(path, b"")
            with place.open("rb") as file:
                while piece := file.read(_PIECE):
                    modification.add(path, piece)
                    size += len(piece)
        return modification.finish().apply(objects, None), size


def _walk(pfs: Path, folder: Path, path: str, links: int) -> Iterator[tuple[str, Path]]:
    """Yield (path in the output, file on disk)."""
    for child in sorted(folder.iterdir()):
        below, left = path + child.name, links
        place = child
        if child.is_symlink():
            place, left = _target(pfs, child, below), links - 1
            if left < 0:
                raise OutputError(f"/pfs/out{_shown(below)}: links lead in a circle")
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(pfs, place, below + "/", left)
        elif stat.S_ISREG(mode):
            yield below, place
        else:
            raise OutputError(f"/pfs/out{_shown(below)} is neither a file nor a folder")


def _shown(name: object) -> str:
    """Return a file name for a message: any bytes can be in one, and only text in a message."""
    return os.fsencode(str(name)).decode(errors="replace")


def _target(pfs: Path, link: Path, below: str) -> Path:
    """Follow a link as the command saw it: `/pfs` is the worker's."""
    root, shown = pfs.resolve(), _shown(below)
    place = link
    for _ in range(_MAX_LINKS):
        if not place.is_symlink():
            break
        text = str(place.readlink())
        inside = text == "/pfs" or text.startswith("/pfs/")
        place = root / text[5:] if inside else place.parent / text
        place = Path(os.path.normpath(place))
    try:
        resolved = place.resolve()
    except (OSError, RuntimeError):  # before Python 3.13
        raise OutputError(f"/pfs/out{shown}: links lead in a circle") from None
    if root not in (resolved, *resolved.parents):
        raise OutputError(f"/pfs/out{shown} links to {_shown(link.readlink())}, outside /pfs")
    if not resolved.exists():
        raise OutputError(f"/pfs/out{shown} links to {_shown(link.readlink())}, which is not there")
    return resolved


def _write(objects: Reader, entry: Entry, place: Path, empty: bool) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        if empty:
            return 0
        return sum(file.write(piece) for piece in content.read(objects, entry.content))
