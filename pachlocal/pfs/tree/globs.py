"""Glob patterns at work: on a path, in a tree, and as the keys that joins and groups make of them.

A pattern is matched against a whole path that begins with `/`; a folder's has no `/` at its end.
See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/input/glob/ for what users are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.patterns import syntax
from pachlocal.pfs.patterns.automaton import Automaton
from pachlocal.pfs.patterns.states import DfaState
from pachlocal.pfs.patterns.syntax import is_literal
from pachlocal.pfs.tree import folders, paths, tree
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Entry, Root

_MAX_TEMPLATE = 1000  # characters; each reference in it may become as long as a path
_REFERENCE = re.compile(r"\$(?:([0-9]+)|\{([0-9]+)\}|\$)")
_MAX_DIGITS = 8  # of a reference; as on the real server, there are never so many groups


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern.

    Attributes:
        pattern: As cleaned: it begins with `/`.
        folder: The folder that every match lies in, found from the pattern's literal beginning.
        automaton: What matches; None when the pattern stands for itself only.
    """

    pattern: str
    folder: str
    automaton: Automaton | None

    @property
    def groups(self) -> int:
        """How many groups capture."""
        return self.automaton.groups if self.automaton is not None else 0

    def matches(self, path: str) -> bool:
        """Whether a path matches; a folder's may end in `/`."""
        plain = _plain(path)
        if self.automaton is None or plain == "/":  # not even `**` means the root
            return plain == self.pattern
        return self.automaton.accepts(self.automaton.start.through(plain), plain)

    def expand(self, path: str, template: str) -> str:
        """Put the captures of a matching path into a template; see `check_template`.

        Raises:
            InvalidArgumentError: The path doesn't match, or the template asks for more groups than
                there are.
        """
        plain = _plain(path)
        captures = [plain] if self.automaton is None else self.automaton.captures(plain)
        if captures is None:
            raise InvalidArgumentError(f"path {path} does not match glob {self.pattern}")
        self.check_template(template)
        return "".join(
            piece if isinstance(piece, str) else captures[piece] for piece in _pieces(template)
        )

    def check_template(self, template: str) -> None:
        """Refuse a template that no match can fill: `$1` or `${1}` is a capture, `$$` is `$`.

        The real server puts nothing in the place of a group that isn't there, which makes all keys
        equal.

        Raises:
            InvalidArgumentError: It asks for more groups than there are, or is too long.
        """
        most = max((piece for piece in _pieces(template) if isinstance(piece, int)), default=0)
        if most > self.groups:
            raise InvalidArgumentError(
                f"{template!r} asks for capture group {most}, "
                f"and glob {self.pattern} has {self.groups}"
            )


@lru_cache(maxsize=128)  # of some MB at the most
def compile_glob(pattern: str) -> Glob:
    """Compile a pattern.

    Raises:
        InvalidArgumentError: It is malformed, or too large.
    """
    cleaned = paths.clean(pattern)
    if is_literal(cleaned):
        return Glob(cleaned, "/", None)
    automaton = Automaton(syntax.parse(cleaned))
    start = syntax.literal_start(cleaned)
    return Glob(cleaned, start[: start.rfind("/") + 1] or "/", automaton)


def glob(objects: Reader, root: Root, pattern: Glob) -> Iterator[tuple[str, Entry]]:
    """Yield what matches in a tree, in byte order, as (path, entry); folders end in `/`.

    Looks only into folders that can hold a match. The root of an empty tree isn't there.
    """
    if root is None:
        return
    automaton = pattern.automaton
    if automaton is None:
        entry = tree.lookup(objects, root, pattern.pattern)
        if entry is not None:
            yield pattern.pattern.rstrip("/") + ("/" if entry.is_folder else ""), entry
        return
    folder = tree.lookup(objects, root, pattern.folder)
    if folder is not None and folder.is_folder:
        state = automaton.start.through(pattern.folder)
        yield from _below(objects, folder.hash, pattern.folder, automaton, state)


def _below(
    objects: Reader, root: Root, path: str, automaton: Automaton, state: DfaState
) -> Iterator[tuple[str, Entry]]:
    for entry in folders.children(objects, root):
        name = entry.name[:-1] if entry.is_folder else entry.name
        reached = state.through(name)
        if not reached.is_dead:
            if automaton.accepts(reached, path + name):
                yield path + entry.name, entry
            inside = reached["/"] if entry.is_folder else None
            if inside is not None and not inside.is_dead:
                yield from _below(objects, entry.hash, path + entry.name, automaton, inside)


@lru_cache(maxsize=256)
def _pieces(template: str) -> tuple[str | int, ...]:
    """Return a template's texts, and in between the numbers of the groups it asks for."""
    if len(template) > _MAX_TEMPLATE:
        raise InvalidArgumentError(
            f"{template[:40]!r}… has {len(template)} characters, the maximum is {_MAX_TEMPLATE}"
        )
    pieces: list[str | int] = []
    end = 0
    for found in _REFERENCE.finditer(template):
        pieces.append(template[end : found.start()])
        number = found[1] or found[2]
        if number and len(number) > _MAX_DIGITS:
            raise InvalidArgumentError(f"{template!r} asks for a capture group that can't be there")
        pieces.append(int(number) if number else "$")
        end = found.end()
    return (*pieces, template[end:])


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"
