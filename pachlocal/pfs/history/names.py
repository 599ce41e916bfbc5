"""Names of repos, branches and commits: values, their printed forms, and what may be a name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from uuid import uuid4

from pachlocal.errors import InvalidArgumentError

DEFAULT_PROJECT = "default"
USER, META, SPEC = "user", "meta", "spec"  # repo types
MAX_PROJECT_NAME = 51  # what a Kubernetes name leaves: 63 - 8 - 4

_NAME = re.compile(r"[A-Za-z0-9_-]+")
# So many digits are more than any line of commits has.
_ANCESTRY = re.compile(
    r"(?P<name>[^~^.]*)(?:\.(?P<nth>[0-9]{1,18}))?(?P<steps>(?:[~^][0-9]{0,18})*)"
)
_STEP = re.compile(r"[~^]([0-9]*)")
_COMMIT_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")


@dataclass(frozen=True, slots=True)
class RepoName:
    """A repo: `project/name`, with its type at the end when that isn't `user`."""

    project: str
    name: str
    type: str = USER

    def __str__(self) -> str:
        suffix = "" if self.type == USER else f".{self.type}"
        return f"{self.project}/{self.name}{suffix}"

    def of_type(self, type_: str) -> RepoName:
        """Return the sibling of another type."""
        return RepoName(self.project, self.name, type_)


@dataclass(frozen=True, slots=True)
class BranchName:
    """A branch: `project/repo@branch`."""

    repo: RepoName
    name: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.name}"


@dataclass(frozen=True, slots=True)
class CommitName:
    """A commit: `project/repo@id`. In a request the id may be a branch, with an ancestry suffix.

    Attributes:
        repo: Its repo.
        id: That of its commit set.
        branch: The branch that it was made on, where that is told too; no part of the name.
    """

    repo: RepoName
    id: str
    branch: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.repo}@{self.id}"


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A name with what follows it: `master^`, `master~2` (back), `master.3` (from the first on).

    Both may be there: `master.3^` is `master.2`.

    Attributes:
        name: The branch or the commit's id.
        back: How many parents to go back, from there.
        nth: Which commit counted from the branch's first, 1 being that; None when not asked.
    """

    name: str
    back: int = 0
    nth: int | None = None


def parse_ancestry(text: str) -> Ancestry:
    """Split a branch or commit from its ancestry suffix.

    Raises:
        InvalidArgumentError: The suffix has another form.
    """
    match = _ANCESTRY.fullmatch(text)
    if match is None:
        raise InvalidArgumentError(f"invalid ancestry syntax {text!r}")
    back = sum(int(count) if count else 1 for count in _STEP.findall(match["steps"]))
    return Ancestry(match["name"], back=back, nth=int(match["nth"]) if match["nth"] else None)


def validate_name(name: str) -> None:
    """Refuse what can't name a repo, branch or pipeline.

    Raises:
        InvalidArgumentError: It has another character than letters, digits, `_` and `-`, or none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"name ({name}) invalid: only alphanumeric characters, underscores, and dashes "
            "are allowed"
        )


def validate_branch_name(name: str) -> None:
    """Refuse what can't name a branch.

    Raises:
        InvalidArgumentError: As `validate_name`; or it is an ID, which names a commit.
    """
    validate_name(name)
    if is_commit_id(name):
        raise InvalidArgumentError(f"branch name cannot be a UUID V4: {name}")


def validate_project_name(name: str) -> None:
    """Refuse what can't name a project.

    Raises:
        InvalidArgumentError: As `validate_name`; or it is too long, or begins with `_` or `-`.
    """
    try:
        validate_name(name)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"invalid project name: {error}") from None
    if not name[0].isalnum():
        raise InvalidArgumentError(
            f"invalid project name: project names must start with an alphanumeric character: {name}"
        )
    if len(name) > MAX_PROJECT_NAME:
        raise InvalidArgumentError(
            f'invalid project name: project name "{name}" is {len(name) - MAX_PROJECT_NAME} '
            f"characters longer than the {MAX_PROJECT_NAME} max"
        )


def new_id() -> str:
    """Make an ID for a commit set: a version 4 UUID without dashes, as all clients expect it."""
    return uuid4().hex


def is_commit_id(text: str) -> bool:
    """Tell an ID from a branch name, by the clients' own rule."""
    return _COMMIT_ID.fullmatch(text) is not None
