"""How addresses name what is stored: /pfs/<project>/<repo>/<commit or branch>/<path>."""

from __future__ import annotations

import re

from pachlocal.proto import pfs_pb2

_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}")


def is_id(text: str) -> bool:
    """Tell whether a word is the ID of a commit, rather than a branch's name."""
    return _ID.fullmatch(text) is not None


def commit(project: str, repo: str, name: str) -> pfs_pb2.Commit:
    """Return the message for a commit.

    Args:
        project: The project's name.
        repo: The repo's, or REPO.TYPE as pachctl writes it.
        name: An ID, a branch, or an ancestry like master^2.
    """
    plain, _, kind = repo.partition(".")
    found = pfs_pb2.Repo(name=plain, type=kind or "user", project=pfs_pb2.Project(name=project))
    if is_id(name):
        return pfs_pb2.Commit(repo=found, id=name)
    branch, mark, rest = re.match(r"([^.^]*)([.^]?)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    if is_id(branch):
        return pfs_pb2.Commit(repo=found, id=name)
    return pfs_pb2.Commit(
        repo=found,
        branch=pfs_pb2.Branch(repo=found, name=branch),
        id=name if mark or rest else "",
    )
