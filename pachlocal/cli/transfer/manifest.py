"""What an export says of itself: its repos, branches, commits and pipelines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pachlocal.cli.pachctl.errors import CliError

NAME = "manifest.json"
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
    """

    name: str
    head: str
    trigger: dict[str, Any]
    provenance: list[str]


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
    """Write it for people and programs to read."""
    return json.dumps(asdict(manifest), indent=2, ensure_ascii=False).encode() + b"\n"


def load(text: bytes, place: str) -> Manifest:
    """Read it.

    Args:
        text: What `dump` wrote.
        place: Where it stands, for error messages.

    Raises:
        CliError: It is something else.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise CliError(f"{place}: {NAME}: {error}") from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise CliError(f"{place}: not an export of pachlocal")
    if data.get("version") != _VERSION:
        raise CliError(
            f"{place}: an export of version {data.get('version')}, and this pachlocal reads "
            f"version {_VERSION}"
        )
    try:
        repos = [
            _make(
                Repo,
                it,
                branches=[_make(Branch, branch) for branch in it["branches"]],
                commits=[_make(Commit, commit) for commit in it["commits"]],
            )
            for it in data["repos"]
        ]
        pipelines = [_make(Pipeline, it) for it in data["pipelines"]]
        return _make(Manifest, data, repos=repos, pipelines=pipelines)
    except (KeyError, TypeError) as error:
        raise CliError(f"{place}: {NAME}: {error}") from None


def _make(kind: type[_T], data: dict[str, Any], **parts: Any) -> _T:
    return kind(**{**data, **parts})
