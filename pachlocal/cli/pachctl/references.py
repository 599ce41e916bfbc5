"""How users name things: REPO[.TYPE]@BRANCH-OR-COMMIT[:PATH], PIPELINE@JOB."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import click

from pachlocal.proto import pfs_pb2

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

T = TypeVar("T")

# Ids are version 4 UUIDs; any other 32 digits are the name of a branch.
_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")
_BRANCH = re.compile(r"[A-Za-z0-9_-]+")


class Reference(NamedTuple):
    """What a reference names; parts that it leaves out are empty, or None for the path."""

    repo: str
    type: str = "user"
    branch: str = ""
    commit: str = ""
    path: str | None = None

    def to_repo(self, project: str) -> pfs_pb2.Repo:
        """Make the message that names the repo."""
        return pfs_pb2.Repo(name=self.repo, type=self.type, project=pfs_pb2.Project(name=project))

    def to_branch(self, project: str) -> pfs_pb2.Branch:
        """Make the message that names the branch."""
        return pfs_pb2.Branch(repo=self.to_repo(project), name=self.branch)

    def to_commit(self, project: str) -> pfs_pb2.Commit:
        """Make the message that names the commit, or the branch whose head is meant."""
        # Servers up to 2.10 look for the repo in the branch, later ones beside it.
        branch, repo = self.to_branch(project), self.to_repo(project)
        return pfs_pb2.Commit(branch=branch, repo=repo, id=self.commit)

    def to_file(self, project: str) -> pfs_pb2.File:
        """Make the message that names the file; without a path, that is the root."""
        return pfs_pb2.File(commit=self.to_commit(project), path=self.path or "/")


def is_id(text: str) -> bool:
    """Tell whether a word is the id of a commit, a commit set or a job."""
    return _ID.fullmatch(text) is not None


def parse_repo(text: str) -> Reference:
    """Read REPO[.TYPE].

    Raises:
        ValueError: It names no repo.
    """
    name, _, type_ = text.partition(".")
    if not name:
        raise ValueError("the name of the repo is missing")
    return Reference(repo=name, type=type_ or "user")


def parse(text: str) -> Reference:
    """Read REPO[.TYPE][@BRANCH-OR-COMMIT[:PATH]], or REPO@BRANCH=COMMIT.

    Ancestry (master^2, master.1) makes what it follows a commit; the server resolves it.

    Raises:
        ValueError: It is not a reference.
    """
    repo, at, rest = text.partition("@")
    reference = parse_repo(repo)
    if not at:
        return reference
    point, colon, path = rest.partition(":")
    if not point:
        raise ValueError('there is nothing behind the "@"')
    branch, equals, commit = point.partition("=")
    if not equals and (is_id(point) or not _BRANCH.fullmatch(point)):
        branch, commit = "", point
    return reference._replace(branch=branch, commit=commit, path=path if colon else None)


class JobReference(NamedTuple):
    """What PIPELINE@JOB names."""

    pipeline: str
    id: str


def parse_job(text: str) -> JobReference:
    """Read PIPELINE@JOB.

    Raises:
        ValueError: It names no job of a pipeline.
    """
    if is_id(text):
        raise ValueError(f"the pipeline is missing; pachctl list job {text} shows it")
    pipeline, _, job = text.partition("@")
    if not pipeline:
        raise ValueError("the name of the pipeline is missing")
    if not job:
        raise ValueError(
            f"the ID of the job is missing, as in {pipeline}@latest; "
            f"pachctl list job -p {pipeline} shows them all"
        )
    return JobReference(pipeline, job)


class _Type(click.ParamType[T], Generic[T]):
    """An argument that is read by one of the functions above."""

    completed_by = ""
    """What of `client.completing` a shell is answered by."""

    def __init__(self, form: str) -> None:
        self.name = form

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Propose names that the server knows; see click.ParamType."""
        from pachlocal.cli.pachctl.client import completing

        return completing.items(getattr(completing, self.completed_by), ctx, incomplete)

    def read(self, text: str) -> T:
        raise NotImplementedError

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> T | Any:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(f'"{value}": {error} (the form is {self.name})', param, ctx)


class _RepoType(_Type[Reference]):
    completed_by = "repos"

    def read(self, text: str) -> Reference:
        if "@" in text or ":" in text:
            raise ValueError("expected a repo alone")
        return parse_repo(text)


class _PointType(_Type[Reference]):
    """A branch or a commit, or a file there."""

    def __init__(self, form: str, *, path: bool = False, point: bool = True) -> None:
        super().__init__(form)
        self._path, self._point = path, point
        self.completed_by = "files" if path else "branches"

    def read(self, text: str) -> Reference:
        reference = parse(text)
        if self._point and not (reference.branch or reference.commit):
            repo, colon, path = text.partition(":")
            raise ValueError(f"the branch or commit is missing, as in {repo}@master{colon}{path}")
        if reference.path is not None and not self._path:
            raise ValueError("a path has no place here")
        return reference


class _PathType(_PointType):
    def read(self, text: str) -> Reference:
        reference = super().read(text)
        if not reference.path:
            raise ValueError("the path is missing")
        return reference


class _BranchType(_PointType):
    def read(self, text: str) -> Reference:
        reference = super().read(text)
        if not reference.branch or reference.commit:
            raise ValueError("expected a branch, not a commit")
        return reference


class _JobType(_Type[JobReference]):
    completed_by = "jobs"

    def read(self, text: str) -> JobReference:
        return parse_job(text)


REPO = _RepoType("REPO")
BRANCH = _BranchType("REPO@BRANCH")
COMMIT = _PointType("REPO@BRANCH-OR-COMMIT")
COMMITS = _PointType("REPO[@BRANCH-OR-COMMIT]", point=False)
FILE = _PointType("REPO@BRANCH-OR-COMMIT[:PATH]", path=True)
FILE_PATH = _PathType("REPO@BRANCH-OR-COMMIT:PATH", path=True)
JOB = _JobType("PIPELINE@JOB-ID")
