"""Shows the files of an image's folder where its Dockerfile puts them, besides `/code`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pachlocal

from .dockerfile import ImageWords

CODE = "/code"
_OF_THE_MACHINE = {"code", "dev", "pfs", "proc", "run", "sys", "tmp"}
_MOST_ENTRIES = 256  # of a folder of the machine that gets another entry: each is a mount


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """What a worker shows.

    Attributes:
        binds: Folders and files of this machine, by the path that commands see.
        workdir: Where commands start.
    """

    binds: Mapping[str, Path]
    workdir: str


def lay_out(stage: Path, words: ImageWords, scratch: Path) -> ImageFiles:
    """Say what to show where; what isn't a folder or file of the stage as it is, is copied.

    What lies in a folder that the machine has, too, is shown among what the machine has there.

    Args:
        stage: The folder of the image, shown as `/code` in any case.
        words: What its Dockerfile says.
        scratch: A folder for copies; made if there are some.

    Raises:
        OSError: The disk is full, or the like.
    """
    binds = {CODE: _code(stage, words, scratch)}
    groups: dict[str, dict[str, Path | None]] = {}
    for place, part in words.places.items():
        if not _is_below(place, CODE):
            for path, source in _spread(place, stage / part):
                groups.setdefault(_top(path), {})[path] = source
    workdir = words.workdir or CODE
    if not _is_below(workdir, CODE) and not Path(workdir).is_dir():
        groups.setdefault(_top(workdir), {}).setdefault(workdir, None)
    for number, (top, shown) in enumerate(sorted(groups.items())):
        if not can_be_shown(top):
            continue
        alone = shown.get(top) if len(shown) == 1 else None
        binds[top] = alone or _copied(top, shown, scratch / str(number))
    known = _is_below(workdir, CODE) or Path(workdir).is_dir() or _top(workdir) in binds
    if _is_below(workdir, CODE) and not (binds[CODE] / workdir[len(CODE) + 1 :]).is_dir():
        known = False
    return ImageFiles(binds, workdir if known else CODE)


def can_be_shown(place: str) -> bool:
    """Whether something can be shown in a place, which the machine may use itself."""
    path = Path(place)
    if len(path.parts) < 2 or path.parts[1] in _OF_THE_MACHINE:
        return False
    own = (sys.prefix, sys.base_prefix, str(Path(pachlocal.__file__).parent))
    if any(Path(it).is_relative_to(path) for it in own):
        return False
    try:
        return all(len(os.listdir(it)) <= _MOST_ENTRIES for it in list(path.parents)[:-1])  # noqa: PTH208
    except OSError:
        return False


def _code(stage: Path, words: ImageWords, scratch: Path) -> Path:
    """Return what to show as `/code`: the folder as it is, unless the image has it otherwise."""
    moved = {
        place: part
        for place, part in words.places.items()
        if _is_below(place, CODE) and place[len(CODE) + 1 :] != part.strip("/")
    }
    if not moved:
        return stage
    shown: dict[str, Path | None] = {CODE: stage}
    return _copied(CODE, shown | {it: stage / part for it, part in moved.items()}, scratch / "code")


def _spread(place: str, source: Path) -> Iterator[tuple[str, Path]]:
    """Yield what is to be shown where: not over a folder that the machine has, but in it."""
    if source.is_dir() and Path(place).is_dir():
        for below in sorted(source.iterdir()):
            yield from _spread(f"{place.rstrip('/')}/{below.name}", below)
    elif source.exists():
        yield place, source


def _top(place: str) -> str:
    """Return the topmost part of a path that the machine hasn't, or the whole, links followed."""
    path = Path(place)
    while not path.parent.is_dir():
        path = path.parent
    return str(path.parent.resolve() / path.name)


def _copied(top: str, shown: Mapping[str, Path | None], folder: Path) -> Path:
    """Put files and folders together below the folder that is to be shown as `top`."""
    folder.mkdir(parents=True)
    for place, source in shown.items():
        target = folder / os.path.relpath(place, top)
        if source is None:
            target.mkdir(parents=True, exist_ok=True)
        elif source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def _is_below(place: str, above: str) -> bool:
    return place == above or place.startswith(above + "/")
