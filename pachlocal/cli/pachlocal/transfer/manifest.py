"""What an export says of itself: its repos, branches, commits and pipelines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pachlocal.errors import CliError
from pachlocal.untrusted import parse_json, printable

NAME = "manifest.json"
MAX_BYTES = 64 * 2**20
"""Of a manifest: some 150,000 commits."""

_FORMAT = "pachlocal-export"
_VERSION = 1

_T = TypeVar("_T")


@dataclass(frozen=True)
class Commit:
    """A finished commit.

    Attributes:
        id: Its ID where it comes from.
        branch: A branch that it is on; empty if that is gone.
        parent: The ID of the commit before; empty if it is the first.
        description: What its maker says of it.
        error: Why its content isn't valid; empty for a good one.
        started: When, as RFC 3339 has it.
        finished: Likewise.
        size_bytes: Of all its files.
        changes: How many files it wrote or deleted.
    """

    id: str
    branch: str
    parent: str
    description: str
    error: str
    started: str
    finished: str
    size_bytes: int
    changes: int


@dataclass(frozen=True)
class Branch:
    """A branch.

    Attributes:
        name: Its name.
        head: The ID of its newest finished commit; empty if there is none.
        trigger: When it follows another branch, in the API's JSON; empty if it doesn't.
        provenance: The branches that it is computed from, as REPO@BRANCH.
        never: Those of them whose new commits make none on it.
    """

    name: str
    head: str
    trigger: dict[str, Any]
    provenance: list[str]
    never: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Repo:
    """A repo; the oldest commit comes first."""

    name: str
    description: str
    branches: list[Branch]
    commits: list[Commit]


@dataclass(frozen=True)
class Pipeline:
    """A pipeline.

    Attributes:
        name: Its name.
        version: The newest version's number.
        stopped: Whether it doesn't run.
        spec: The newest version's specification, as it was submitted.
        earlier: The specifications of earlier versions, by number; for the reader only.
    """

    name: str
    version: int
    stopped: bool
    spec: dict[str, Any]
    earlier: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """An export; a pipeline comes behind those that it reads."""

    server: str
    project: str
    repos: list[Repo]
    pipelines: list[Pipeline]
    format: str = field(default=_FORMAT)
    version: int = field(default=_VERSION)

    @property
    def names(self) -> list[str]:
        """All repos that it makes: its own, and its pipelines' outputs."""
        return [*(it.name for it in self.repos), *(it.name for it in self.pipelines)]

    def commits(self) -> Iterator[tuple[Repo, Commit]]:
        """Yield all commits with their repos."""
        for repo in self.repos:
            for commit in repo.commits:
                yield repo, commit


def changes_name(repo: str, commit: str) -> str:
    """Name the list of what a commit changed."""
    return f"commits/{repo}/{commit}.jsonl"


def dump(manifest: Manifest) -> bytes:
    """Write it for people and programs to read.

    Raises:
        CliError: It is too large to be read again.
    """
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False).encode() + b"\n"
    if len(text) > MAX_BYTES:
        raise CliError("the repos have too many commits for one export: export fewer of them")
    return text


def load(text: bytes, place: str) -> Manifest:
    """Read it.

    Args:
        text: What `dump` wrote.
        place: Where it stands, for error messages.

    Raises:
        CliError: It is something else.
    """
    try:
        data = parse_json(text)
    except ValueError as error:
        raise CliError(f"{place}: {NAME}: {error}") from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise CliError(f"{place}: not an export of pachlocal")
    if data.get("version") != _VERSION:
        shown = printable(str(data.get("version")), 40)
        raise CliError(
            f"{place}: an export of version {shown}, and this pachlocal reads version {_VERSION}"
        )
    try:
        manifest = _make(Manifest, data)
        _check_heads(manifest)
    except ValueError as error:
        raise CliError(f"{place}: {NAME}: {error}") from None
    return manifest


def _make(kind: type[_T], data: object) -> _T:
    """Make a record of an object that has its fields, each of its type, and no others.

    What has a default may be missing.

    Raises:
        ValueError: It hasn't.
    """
    name = kind.__name__.lower()
    if not isinstance(data, dict):
        raise ValueError(f"{name}: expected an object")
    types = get_type_hints(kind)
    optional = {
        it.name
        for it in fields(kind)  # type: ignore[arg-type]
        if it.default is not MISSING or it.default_factory is not MISSING
    }
    if missing := types.keys() - data.keys() - optional:
        raise ValueError(f"{name}: {min(missing)} is missing")
    if unknown := data.keys() - types.keys():
        raise ValueError(f"{name}: there is no field {printable(min(unknown), 40)}")
    return kind(**{field: _value(data[field], types[field], f"{name}.{field}") for field in data})


def _value(value: object, type_: Any, name: str) -> Any:
    if isinstance(type_, type) and is_dataclass(type_):
        return _make(type_, value)
    plain = get_origin(type_) or type_
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise ValueError(f"{name}: expected {_WORDS[plain]}")
    if isinstance(value, list):
        (of_items,) = get_args(type_)
        return [_value(item, of_items, name) for item in value]
    return value


def _check_heads(manifest: Manifest) -> None:
    for repo in manifest.repos:
        ids = {"", *(commit.id for commit in repo.commits)}
        for branch in repo.branches:
            if branch.head not in ids:
                shown = printable(branch.head, 40)
                raise ValueError(f"{shown}, the head of a branch, isn't a commit of its repo")


_WORDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}
