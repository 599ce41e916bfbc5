"""Where an image has the files of its folder, as far as its Dockerfile says it in simple words.

Source: Dockerfile reference, docs.docker.com/reference/dockerfile. Of the last stage, WORKDIR, ENV,
ARG, and COPY and ADD of the folder's own files are followed; nothing is run.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pachlocal.runtime.regular_files import open_regular

DOCKERFILE = "Dockerfile"
"""What it is called unless somebody says otherwise."""

_MOST_BYTES = 1 << 20
_HEREDOC = re.compile(r"<<-?\s*[\"']?([A-Za-z_]\w*)[\"']?")
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".tar.zst")
_HARMLESS = ("--chown=", "--chmod=", "--link")


@dataclass(slots=True)
class ImageWords:
    """What a Dockerfile says of its image.

    Attributes:
        workdir: Where commands start; empty if it doesn't say.
        env: The variables that it sets; `$PATH` stands in it where it is that of the base.
        places: Where in the image which part of the folder is: by its path there, "" for all.
        unfollowed: The lines that put something into the image that can't be followed, and where
            they put it, empty if that isn't known.
        runs: What is run to make the image, and in which folder.
        base: The image that it is based on.
    """

    workdir: str = ""
    env: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    unfollowed: list[tuple[str, str]] = field(default_factory=list)
    runs: list[tuple[str, str]] = field(default_factory=list)
    base: str = ""


def read_dockerfile(folder: Path, name: str = DOCKERFILE) -> ImageWords:
    """Read what the Dockerfile of a folder says; nothing if there is none that can be read."""
    try:
        with open_regular(folder / name) as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ImageWords()
    return _Reader(folder).read(text)


class _Reader:
    """Goes through the instructions of one Dockerfile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages: dict[str, ImageWords] = {}
        self._stage = ImageWords()
        self._arguments: dict[str, str] = {}

    def read(self, text: str) -> ImageWords:
        for word, rest in _instructions(text):
            if word == "FROM":
                self._begin(rest)
            elif word == "ARG":
                for name, value in self._assignments(rest):
                    self._arguments.setdefault(name, value)
            elif word == "ENV":
                self._stage.env.update(self._assignments(rest))
            elif word == "WORKDIR":
                self._stage.workdir = self._absolute(self._filled(rest.strip().strip("\"'")))
            elif word in ("COPY", "ADD"):
                self._copy(word, rest)
            elif word == "RUN":
                self._stage.runs.append((self._filled(rest), self._absolute("")))
        return self._stage

    def _begin(self, rest: str) -> None:
        parts = [part for part in rest.split() if not part.startswith("--")]
        base = self._filled(parts[0]) if parts else ""
        before = self._stages.get(base.lower())
        self._stage = ImageWords(base=base)
        if before is not None:
            self._stage = ImageWords(
                before.workdir,
                dict(before.env),
                dict(before.places),
                list(before.unfollowed),
                list(before.runs),
                before.base,
            )
        if len(parts) > 2 and parts[1].lower() == "as":
            self._stages[parts[2].lower()] = self._stage

    def _copy(self, word: str, rest: str) -> None:
        line = f"{word} {' '.join(rest.split())}"
        options, words = _words(rest)
        if len(words) < 2:
            self._stage.unfollowed.append((line, ""))
            return
        *sources, target = map(self._filled, words)
        is_folder = target.endswith("/") or target in (".", "..") or len(sources) > 1
        place = self._absolute(target)
        known = all(option.startswith(_HARMLESS) for option in options)
        if "$" in place or not known or any(map(_is_foreign, sources)):
            self._stage.unfollowed.append((line, "" if "$" in place else place))
            return
        for source in sources:
            found = list(self._found(source))
            if not found or (word == "ADD" and any(it.endswith(_ARCHIVES) for it in found)):
                self._stage.unfollowed.append((line, place))
            for path in found:
                self._put(path, place, is_folder=is_folder or len(found) > 1)

    def _put(self, path: str, place: str, *, is_folder: bool) -> None:
        """Note where a part of the folder is; of a folder it is what is in it."""
        part = self._folder / path
        if part.is_dir():
            if place == "/":
                for below in sorted(part.iterdir()):
                    self._stage.places[f"/{below.name}"] = posixpath.join(path, below.name)
            else:
                self._stage.places[place] = path
        else:
            name = posixpath.basename(path)
            self._stage.places[posixpath.join(place, name) if is_folder else place] = path

    def _found(self, source: str) -> Iterator[str]:
        """Yield what of the folder a source names, by its path there."""
        pattern = posixpath.normpath("/" + source).lstrip("/")
        if not pattern:
            if self._folder.is_dir():
                yield ""
        elif any(sign in pattern for sign in "*?["):
            try:
                matches = sorted(self._folder.glob(pattern))
            except ValueError:
                return
            yield from (match.relative_to(self._folder).as_posix() for match in matches)
        elif (self._folder / pattern).exists():
            yield pattern

    def _assignments(self, rest: str) -> Iterator[tuple[str, str]]:
        """Yield the variables of an ENV or ARG; those without a value are left out."""
        try:
            words = shlex.split(rest)
        except ValueError:
            return
        if words and "=" not in words[0] and len(words) > 1:
            words = [f"{words[0]}={rest.split(None, 1)[1].strip()}"]
        for word in words:
            name, sign, value = word.partition("=")
            if sign and name:
                yield name, self._filled(value)

    def _filled(self, text: str) -> str:
        """Fill in the variables that are known; the others stay."""

        def fill(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if not name:
                return "$"
            value = self._stage.env.get(name, self._arguments.get(name))
            if match[3] == "-":
                return value or match[4]
            if match[3] == "+":
                return match[4] if value else ""
            return f"${name}" if value is None else value

        return _VARIABLE.sub(fill, text)

    def _absolute(self, path: str) -> str:
        joined = posixpath.join("/", self._stage.workdir, path)
        return "/" + posixpath.normpath(joined).lstrip("/")


def _is_foreign(source: str) -> bool:
    """Whether a source isn't a file of the folder: a URL, a repository, text in the Dockerfile."""
    return "://" in source or source.startswith(("git@", "<<")) or "$" in source


def _words(rest: str) -> tuple[list[str], list[str]]:
    """Return the options of a COPY, and its sources and target."""
    options = []
    rest = rest.strip()
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        options.append(option)
        rest = rest.strip()
    if rest.startswith("["):
        try:
            listed = json.loads(rest)
        except ValueError:
            return options, []
        is_list = isinstance(listed, list) and all(isinstance(it, str) for it in listed)
        return options, listed if is_list else []
    try:
        return options, shlex.split(rest)
    except ValueError:
        return options, []


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's word, in capitals, and what follows it, on one line."""
    lines = iter(text.splitlines())
    for line in lines:
        whole = line.strip()
        if not whole or whole.startswith("#"):
            continue
        while whole.endswith("\\"):
            more = next(lines, None)
            if more is None:
                break
            if more.strip().startswith("#") or not more.strip():
                continue
            whole = f"{whole[:-1]} {more.strip()}"
        word, _, rest = whole.partition(" ")
        if word.upper() in ("RUN", "COPY", "ADD"):
            for name in _HEREDOC.findall(rest):
                for body in lines:
                    if body.strip() == name:
                        break
        yield word.upper(), rest


def usable_env(words: ImageWords, base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an image that make sense on this machine.

    Left out is what names a path that is neither here nor among the image's files: it is of what
    the image has installed.

    Args:
        words: What its Dockerfile says.
        base: What commands inherit; a variable that refers to itself adds to that.
    """
    found = {}
    for name, value in words.env.items():
        parts = value.replace(f"${name}", "").split(":")
        paths = [part for part in parts if part.startswith("/")]
        if "$" in "".join(parts) or not all(_is_there(path, words) for path in paths):
            continue
        if name == "PATH" and "$PATH" not in value:
            continue  # a command's program is one of this machine
        found[name] = value.replace(f"${name}", base.get(name, ""))
    return found


def _is_there(path: str, words: ImageWords) -> bool:
    above = [path, *map(str, Path(path).parents)]
    return any(it in words.places for it in above) or path == words.workdir or Path(path).exists()
