"""What a requirements.txt asks pip for, and which files of its folder that takes.

Source: pip.pypa.io/en/stable/reference/requirements-file-format.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from .files import RequirementsError, digest

_CONTINUED = re.compile(r"\\\n")
_COMMENT = re.compile(r"(^|\s)#.*")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S+)")
_FIND_LINKS = re.compile(r"(?:-f|--find-links)(?:\s*=\s*|\s+|(?<=-f))(\S+)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+|(?<=-e))")
_OPTIONS = re.compile(r"\s--.*")  # of one requirement
_HASH = re.compile(r"--hash(?:\s*=\s*|\s+)(\S+)")
_GOOD_HASH = re.compile(r"sha(256|384|512):[0-9a-f]+")
_ARCHIVES = (".whl", ".tar.gz", ".zip")
_MOST_FILES = 10_000


@dataclass
class Requirements:
    """What the file asks for.

    Attributes:
        files: The SHA-256 of it and of each file that it takes, by the path in the folder.
        lines: What is to be installed, a line each.
        constraints: What only constrains versions, likewise.
    """

    files: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)

    @property
    def unpinned(self) -> tuple[str, ...]:
        """The names of what may come in another version the next time."""
        pinned = {it.name for it in map(parsed, self.constraints) if it and _is_pinned(it)}
        return tuple(
            it.name
            for it in map(parsed, self.lines)
            if it and not _is_pinned(it) and it.name not in pinned
        )


def parsed(line: str) -> Requirement | None:
    """Read a line's requirement; None if it is an address or a path, which pip knows by itself.

    Raises:
        RequirementsError: It isn't a requirement.
    """
    text = _OPTIONS.sub("", line)
    if "://" in text or "$" in text or _is_path(text.split(";")[0].split()[0]):
        return None
    return requirement(text)


def requirement(text: str) -> Requirement:
    """Read a requirement.

    Raises:
        RequirementsError: It is none.
    """
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0].strip()
        raise RequirementsError(f"{text} isn't a requirement: {reason}") from error


def _is_pinned(requirement: Requirement) -> bool:
    return any(
        it.operator in ("==", "===") and "*" not in it.version for it in requirement.specifier
    )


def _is_path(word: str) -> bool:
    return word.startswith(".") or "/" in word.split("[")[0] or word.endswith(_ARCHIVES)


def read_requirements(folder: Path, name: str) -> Requirements:
    """Read a requirements file of a folder, and those that it names.

    Raises:
        RequirementsError: It asks for what isn't in the folder, or for the folder itself.
        OSError: A file can't be read.
        UnicodeDecodeError: One is not UTF-8.
    """
    reader = _Reader(folder)
    reader.read(name)
    _check_hashes(name, reader.found)
    return reader.found


def _check_hashes(name: str, found: Requirements) -> None:
    """Refuse what pip would: a hash of another form, or some lines with hashes and some without."""
    for line in (*found.lines, *found.constraints):
        for value in _HASH.findall(line):
            if not _GOOD_HASH.fullmatch(value):
                raise RequirementsError(f"{name}: {value} isn't a hash, as in sha256:1f4e…")
    if found.constraints:
        return  # hashes may be there
    bare = [_OPTIONS.sub("", line) for line in found.lines if not _HASH.search(line)]
    if bare and len(bare) < len(found.lines):
        raise RequirementsError(f"{name}: {bare[0]} has no hash, and others have: pip wants all")


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found = Requirements()

    def read(self, name: str, *, constrains: bool = False) -> None:
        """Read a file, unless it was; one that only constrains versions asks for nothing."""
        if name in self.found.files:
            return
        path = self._folder / name
        self.found.files[name] = digest(path)
        text = _CONTINUED.sub(" ", path.read_text("utf-8-sig"))
        for number, line in enumerate(text.splitlines(), 1):
            words = _COMMENT.sub("", line).strip()
            if words:
                self._take(words, name, f"{name}, line {number}", constrains=constrains)

    def _take(self, line: str, name: str, where: str, *, constrains: bool) -> None:
        base = Path(name).parent  # of files that options name
        if _EDITABLE.match(line):
            raise _own_files(where, line)
        if include := _INCLUDE.match(line):
            if "://" not in include[1]:
                only = constrains or line.startswith(("-c", "--c"))
                self.read(self._inside(include[1], base, where), constrains=only)
        elif links := _FIND_LINKS.match(line):
            if "://" not in links[1] and not links[1].startswith("/"):
                self._add(self._inside(links[1], base, where))
        elif not line.startswith("-"):
            self._take_local(line, where)
            try:
                parsed(line)
            except RequirementsError as error:
                raise RequirementsError(f"{where}: {error}") from error
            taken = self.found.constraints if constrains else self.found.lines
            taken.append(" ".join(line.split()))

    def _take_local(self, line: str, where: str) -> None:
        """Take the files of a requirement that is a file or folder itself."""
        word = line.split(";")[0].split()[0]
        if not _is_path(word) or "://" in line or "@" in word or word.startswith("/"):
            return
        place = self._inside(word.partition("[")[0], Path(), where)
        if place == ".":
            raise _own_files(where, line)
        self._add(place)

    def _inside(self, name: str, base: Path, where: str) -> str:
        place = os.path.normpath(base / name)
        if place.startswith(("..", "/")):
            raise RequirementsError(f"{where}: {name} isn't in the stage's folder")
        if not (self._folder / place).exists():
            raise RequirementsError(f"{where}: {name} isn't there")
        return place

    def _add(self, place: str) -> None:
        for path in _below(self._folder / place):
            self.found.files[os.path.relpath(path, self._folder)] = digest(path)
            if len(self.found.files) > _MOST_FILES:
                raise RequirementsError(f"{place} holds more than {_MOST_FILES:,} files")


def _own_files(where: str, line: str) -> RequirementsError:
    return RequirementsError(
        f"{where}: {line}: a stage's own files are /code, and aren't installed"
    )


def _below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(set(names) - {"__pycache__", ".git"})
        for name in sorted(files):
            yield Path(folder, name)
