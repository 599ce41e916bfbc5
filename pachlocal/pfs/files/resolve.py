"""From the way clients name a commit to the commit."""

from __future__ import annotations

from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.files import filesets
from pachlocal.pfs.history import branches, commits
from pachlocal.pfs.history.names import BranchName, CommitName, is_commit_id, parse_ancestry
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.storage.database import Connection


def resolve(connection: Connection, commit: CommitName, branch: str = "") -> CommitInfo:
    """Find a commit as clients name it.

    Args:
        connection: The state to look at.
        commit: Its repo, and as its id: an ID; the ID of a set in which this repo has no commit of
            its own (then: the one that the set was made from); a branch; any with an ancestry
            suffix; or nothing.
        branch: The branch whose head is meant when the id is empty.

    Raises:
        NotFoundError: There is none, in words for what is missing. A branch of a missing repo is a
            missing branch, as upstream has it.
        InvalidArgumentError: Neither an id nor a branch is given.
    """
    if commit.repo.name == filesets.REPO:
        return filesets.as_commit(connection, commit.id)
    text = commit.id or branch
    if not text:
        raise InvalidArgumentError(f"a commit or branch of {commit.repo} must be given")
    ancestry = parse_ancestry(text)
    info = _resolve_name(connection, CommitName(commit.repo, ancestry.name), branch)
    if ancestry.nth is not None:
        info = _nth(connection, info, ancestry.nth, CommitName(commit.repo, text))
    for _ in range(ancestry.back):
        parent = commits.parent_of(connection, info)
        if parent is None:
            raise NotFoundError(f"commit {CommitName(commit.repo, text)} not found")
        info = parent
    return info


def is_commit(text: str) -> bool:
    """Whether clients mean a commit by this, and not a branch that may be made."""
    ancestry = parse_ancestry(text)
    return is_commit_id(ancestry.name) or bool(ancestry.back) or ancestry.nth is not None


def _resolve_name(connection: Connection, commit: CommitName, branch: str) -> CommitInfo:
    found = branches.find(connection, BranchName(commit.repo, commit.id))
    if found is not None:
        head = branches.head(connection, found)
        if head is None:
            raise NotFoundError(f"branch {BranchName(commit.repo, commit.id)} has no head")
        return head
    info = commits.find_in_set(connection, commit.repo, commit.id)
    if info is None:
        info = _alias(connection, commit)
    if info is not None:
        return info
    if commit.id == branch or not is_commit_id(commit.id):
        raise NotFoundError(f'branch "{commit.id}" not found in repo {commit.repo}')
    raise NotFoundError(f"commit {commit} not found")


def _alias(connection: Connection, commit: CommitName) -> CommitInfo | None:
    """Find the commit of a repo that a commit set uses without having made it."""
    row = connection.execute(
        f"""
        WITH RECURSIVE behind (id) AS (
            SELECT id FROM commits WHERE commit_set = ?
            UNION
            SELECT provenance_id FROM behind JOIN commit_provenance ON commit_id = behind.id
        )
        {commits.SELECT} JOIN behind ON behind.id = commits.id
        WHERE projects.name = ? AND repos.name = ? AND repos.type = ?
        ORDER BY commits.id DESC LIMIT 1
        """,
        (commit.id, commit.repo.project, commit.repo.name, commit.repo.type),
    ).fetchone()
    return next(commits.from_rows([row])) if row else None


def _nth(connection: Connection, info: CommitInfo, nth: int, wanted: CommitName) -> CommitInfo:
    line = [info]
    while (parent := commits.parent_of(connection, line[-1])) is not None:
        line.append(parent)
    if not 0 < nth <= len(line):
        raise NotFoundError(f"commit {wanted} not found")
    return line[-nth]
