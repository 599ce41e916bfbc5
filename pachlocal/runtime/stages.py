"""Finds the folder that an image is built from, in compose.yaml.

Source: the Compose specification, "Interpolation" and "Build"
(https://github.com/compose-spec/compose-spec). Only what names an image and its folder is read.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from pachlocal.errors import InvalidArgumentError
from pachlocal.untrusted import decode_text, read_bounded
from pachlocal.untrusted_yaml import read_yaml

from .dockerfile import DOCKERFILE

_log = logging.getLogger(__name__)

COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""The names that a Compose file has, the first of them first."""

_MOST_BYTES = 4 << 20

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<rule>:?[-?+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\}|)",
    re.ASCII,
)


def load_stages(compose: Path, environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Read which folder each image is built from.

    Args:
        compose: The compose.yaml.
        environ: The variables for `${NAME}`; by default the process's own.

    Returns:
        The build context, absolute, by image name. Services without an image name or without a
        local build context are left out.

    Raises:
        InvalidArgumentError: The file can't be read or isn't a Compose file; the message names it.
    """
    found = _load(compose, os.environ if environ is None else environ)
    return {image: stage.folder for image, stage in found.items()}


def dockerfile_of(stages: Mapping[str, Path], image: str) -> str:
    """Return where the Dockerfile of an image is, from its folder: usually right in it."""
    for name in _names(image):
        if isinstance(stages, Stages) and name in stages:
            return stages.dockerfile(name)
    return DOCKERFILE


class _Stage(NamedTuple):
    folder: Path
    dockerfile: str


def _load(compose: Path, environ: Mapping[str, str]) -> dict[str, _Stage]:
    try:
        return _stages(compose, environ)
    except OSError as error:
        raise InvalidArgumentError(f"{compose}: {error.strerror}") from error
    except _MalformedError as error:
        raise InvalidArgumentError(f"{compose}: {error}") from error


def folder_of(stages: Mapping[str, Path], image: str) -> Path | None:
    """The folder of an image, where `name` and `name:latest` are the same."""
    first, second = _names(image)
    return stages.get(first, stages.get(second))


def _names(image: str) -> tuple[str, str]:
    _, _, tag = image.rpartition("/")[2].partition(":")
    return image, image.removesuffix(":latest") if tag else f"{image}:latest"


class Stages(Mapping[str, Path]):
    """The folders of all images that some compose.yaml files name, as the files say it now.

    Where several name an image, the first does count. A file that is changed is read again; when it
    can't be read any more, what it said last still holds.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        """Read all files.

        Raises:
            InvalidArgumentError: One can't be read, or is not a Compose file; the message names it.
        """
        self._known = {file: (_stamp(file), _load(file, os.environ)) for file in files}

    @property
    def files(self) -> dict[Path, tuple[str, ...]]:
        """The images that each file names, the files in their order."""
        return {file: tuple(stages) for file, (_, stages) in self._refreshed().items()}

    def __getitem__(self, image: str) -> Path:
        return self._find(image).folder

    def dockerfile(self, image: str) -> str:
        """Return where the Dockerfile of an image is, from its folder.

        Raises:
            KeyError: No file names the image.
        """
        return self._find(image).dockerfile

    def _find(self, image: str) -> _Stage:
        for _, stages in self._refreshed().values():
            if image in stages:
                return stages[image]
        raise KeyError(image)

    def __iter__(self) -> Iterator[str]:
        return iter({image: None for _, stages in self._refreshed().values() for image in stages})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _refreshed(self) -> dict[Path, tuple[_Stamp, dict[str, _Stage]]]:
        for file, (before, stages) in self._known.items():
            now = _stamp(file)
            if now != before:
                try:
                    stages = _load(file, os.environ)
                except InvalidArgumentError as error:
                    _log.warning("its previous content still applies: %s", error)
                self._known[file] = (now, stages)  # no new key: others may be reading
        return self._known


_Stamp: TypeAlias = "tuple[int, int, int] | None"


def _stamp(file: Path) -> _Stamp:
    """Return what changes with a file; None if it isn't there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class _MalformedError(Exception):
    """The file says something that Compose would refuse."""


def _read(compose: Path) -> Any:
    try:
        text = decode_text(read_bounded(compose, _MOST_BYTES))
    except ValueError as error:
        raise _MalformedError(error) from error
    try:
        return next(read_yaml(text, str(compose)), None)
    except ValueError as error:  # it names the file, and the line
        raise InvalidArgumentError(str(error)) from error


def _stages(compose: Path, environ: Mapping[str, str]) -> dict[str, _Stage]:
    document = _read(compose)
    base = compose.absolute().parent
    stages = {}
    services = _mapping(_mapping(document, "the file").get("services"), "services")
    for name, service in services.items():
        parts = _mapping(service, f"service {name}")
        image, context, file = parts.get("image"), parts.get("build"), None
        if isinstance(context, dict):
            file = context.get("dockerfile")
            context = context.get("context", ".")
        if image is None or context is None:
            continue
        folder = interpolate(_text(context, f"the build of {name}"), environ)
        if "://" in folder or folder.startswith("git@"):
            continue
        label = interpolate(_text(image, f"the image of {name}"), environ)
        # normpath, not resolve: a user's links stay as they wrote them.
        place = Path(os.path.normpath(base / folder))
        stages[label] = _Stage(place, DOCKERFILE)
        if file is not None:
            file = interpolate(_text(file, f"the dockerfile of {name}"), environ)
            stages[label] = _Stage(place, _inside(place, file))
    return stages


def _inside(folder: Path, name: str) -> str:
    """Return a file's path from a folder; the whole path if it lies elsewhere."""
    path = Path(os.path.normpath(folder / name))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Fill in `$NAME`, `${NAME}`, and its forms with `-`, `?`, `+` and a colon; `$$` is `$`."""

    def fill(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["bare"] or match["name"]
        if not name:
            raise _MalformedError(f"invalid interpolation format: {text!r}")
        value = environ.get(name)
        rule, word = match["rule"] or "", match["word"] or ""
        present = bool(value) if rule.startswith(":") else value is not None
        if rule.endswith("+"):
            return interpolate(word, environ) if present else ""
        if present or not rule:
            return value or ""
        if rule.endswith("?"):
            reason = interpolate(word, environ) or "it is not set"
            raise _MalformedError(f"required variable {name}: {reason}")
        return interpolate(word, environ)

    return _VARIABLE.sub(fill, text)


def _mapping(value: Any, what: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _MalformedError(f"{what} must be a mapping")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _MalformedError(f"{what} must be a text")
    return value
