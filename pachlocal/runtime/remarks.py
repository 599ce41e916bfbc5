"""What a user should know of an image before it is run without Docker."""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pachlocal.errors import ImageUnavailableError

from .dockerfile import ImageWords, read_dockerfile
from .environments.wanted import JULIA, PYTHON, Wanted, wanted
from .image_files import CODE
from .missing_folder import missing_folder
from .stages import dockerfile_of, folder_of

_PATH = re.compile(r"(?<![\w./$}-])/[\w.+@-]+(?:/[\w.+@-]+)*")
_RELATIVE = re.compile(r"[\w.+@-]+(?:/[\w.+@-]+)*")
_PIP_INSTALL = re.compile(r"\bpip3? install\b(?!.*(?:\s-r\b|\s--requirement\b))")
_PYTHON_BASE = re.compile(r"(?:^|/)python:(\d+\.\d+)")
_LONGEST = 80  # characters of a line that is shown


def image_remark(stages: Mapping[str, Path], image: str, words: Iterable[str]) -> str:
    """Say that an image has not what its command needs; nothing if it seems to have it.

    It has no folder, what that asks to have installed can't be, or what puts files into it can't be
    followed without Docker.

    Args:
        stages: The folders of the images that have one.
        image: The image.
        words: What its command consists of.
    """
    command = list(words)
    folder = folder_of(stages, image)
    if folder is None:
        return missing_folder(stages, image, command)
    if not folder.is_dir():
        return f"image {image} is built from {folder}, which isn't a folder"
    try:
        wishes = wanted(folder, image)
    except ImageUnavailableError as error:
        return str(error)
    name = dockerfile_of(stages, image)
    found = read_dockerfile(folder, name)
    if lines := unfollowed_of(folder, found, command):
        return (
            f"image {image}: its command uses files made by {' and by '.join(lines)} of "
            f"{folder / name}, which isn't followed without Docker"
        )
    if line := _not_installed(found, command, wishes):
        return (
            f"image {image}: {line} of {folder / name} isn't done without Docker; a "
            "requirements.txt in the folder would be"
        )
    return ""


def environment_notes(folder: Path, image: str, name: str) -> Iterator[str]:
    """Yield what may make an image's environment another one than is meant.

    Args:
        folder: The image's.
        image: Its name, for messages.
        name: Where its Dockerfile is, from the folder.

    Raises:
        ImageUnavailableError: What the folder asks for can't be read.
    """
    for wish in wanted(folder, image):
        if wish.unpinned:
            file = "Manifest.toml, which isn't there" if wish.language == JULIA else wish.source
            yield (
                f"no version of {', '.join(wish.unpinned)} is pinned in {file}: an environment "
                "that is made later may have another"
            )
        base = _PYTHON_BASE.search(read_dockerfile(folder, name).base)
        ours = f"{sys.version_info.major}.{sys.version_info.minor}"
        if wish.language == PYTHON and base and base[1] != ours:
            yield (
                f"its image is based on Python {base[1]}, and its environment here on {ours}, "
                "which runs pachlocal"
            )


def unfollowed_of(folder: Path, found: ImageWords, command: Sequence[str]) -> list[str]:
    """Return the lines that can't be followed, and that make what a command names and isn't there.

    Args:
        folder: The folder of the image.
        found: What its Dockerfile says.
        command: The words of the command.
    """
    lines: dict[str, None] = {}
    for path in _paths(found, command):
        if not _is_there(folder, found, path):
            lines |= dict.fromkeys(_makers(found, path))
    program = command[0] if command else ""
    if program and "/" not in program and shutil.which(program) is None:
        lines |= dict.fromkeys(_runs_with(found, program))
    return list(lines)


def _not_installed(found: ImageWords, command: Sequence[str], wishes: Sequence[Wanted]) -> str:
    """Return the line that installs what a Python command may import, if nothing else does."""
    is_python = bool(command) and posixpath.basename(command[0]).startswith("python")
    if not is_python or any(wish.language == PYTHON for wish in wishes):
        return ""
    return next((_shown(text) for text, _ in found.runs if _PIP_INSTALL.search(text)), "")


def _paths(found: ImageWords, command: Sequence[str]) -> Iterator[str]:
    """Yield the paths that a command names."""
    for number, word in enumerate(command):
        yield from _PATH.findall(word)
        is_relative = number and _RELATIVE.fullmatch(word) and ("/" in word or "." in word[1:])
        if is_relative and found.workdir:
            yield posixpath.normpath(posixpath.join(found.workdir, word))


def _is_there(folder: Path, found: ImageWords, path: str) -> bool:
    """Whether a command sees a path, as far as it can be known."""
    if path == "/pfs" or path.startswith("/pfs/") or Path(path).exists():
        return True
    if path == CODE or (path.startswith(f"{CODE}/") and (folder / path[len(CODE) + 1 :]).exists()):
        return True
    if path == found.workdir:
        return True
    for above in (path, *map(str, Path(path).parents)):
        if above in found.places:
            part = folder / found.places[above]
            return above == path or (part / posixpath.relpath(path, above)).exists()
    return any(place.startswith(f"{path}/") for place in found.places)


def _makers(found: ImageWords, path: str) -> Iterator[str]:
    """Yield the lines that seem to make a path."""
    for line, place in found.unfollowed:
        if place and (place == "/" or path == place or path.startswith(f"{place}/")):
            yield line
    for above in (path, *map(str, Path(path).parents)):
        if len(Path(above).parts) > 2 or above == path:
            yield from _runs_with(found, above)
    for text, workdir in found.runs:
        inner = posixpath.relpath(path, workdir)
        if not inner.startswith("..") and _mentions(text, inner):
            yield _shown(text)


def _runs_with(found: ImageWords, word: str) -> Iterator[str]:
    return (_shown(text) for text, _ in found.runs if _mentions(text, word))


def _mentions(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", text) is not None


def _shown(text: str) -> str:
    line = f"RUN {' '.join(text.split())}"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
