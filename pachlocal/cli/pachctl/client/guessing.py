"""Guesses at what was meant by a name that the server doesn't know."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from pachlocal.cli.pachctl.client.connection import APIClient
from pachlocal.cli.pachctl.client.failures import call_error
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.untrusted import printable

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.session import Session

_TIMEOUT_S = 2.0
_MOST = 2
_MOST_FILES = 1000  # of a folder that are looked at

# The server's wordings, which are those of Pachyderm.
_BRANCH = re.compile(r'branch "?([^"\s]+?)"? not found in repo ([^/\s]+)/([^.\s:]+)')
_REPO = re.compile(r"repo ([^/\s]+)/([^.\s]+) not found")
_FILE = re.compile(r"file (.+) not found in repo ([^/\s]+)/([^.\s]+)(?:\.(\w+))? at commit (\S+)")
_PIPELINE = re.compile(r'(?:pipeline "|jobs )([^/"\s]+)/([^@"\s]+)(?:"|@\S+) not found')
_PROJECT = re.compile(r'project "?([^"\s]+?)"? not found')


def did_you_mean(session: Session, details: str) -> str:
    """Return names that are near to one that isn't there, for the end of an error message.

    Args:
        session: The call's session.
        details: What the server says.

    Returns:
        Words that begin with a semicolon; none where nothing is near, or the server can't be asked.
    """
    try:
        # The session has hung up by the time that an error is told.
        with closing(APIClient(session.settings)) as server:
            found = _guesses(server, details)
    except call_error():
        return ""  # the error is told without
    return f"; did you mean {' or '.join(printable(name) for name in found)}?" if found else ""


def _guesses(server: APIClient, details: str) -> list[str]:
    if (match := _FILE.search(details)) is not None:
        path, project, repo, type_, id_ = match.groups()
        of = pfs_pb2.Repo(name=repo, type=type_ or "user", project=pfs_pb2.Project(name=project))
        folder, name = posixpath.split("/" + path.strip("/"))
        beside = _names_in(
            server, pfs_pb2.File(commit=pfs_pb2.Commit(repo=of, id=id_), path=folder)
        )
        return [posixpath.join(folder, near) for near in near(name, beside)]
    if (match := _BRANCH.search(details)) is not None:
        branch, project, repo = match.groups()
        repos = _repos(server, project)
        if repo not in repos:
            return [f"{name}@{branch}" for name in near(repo, repos)]
        return [f"{repo}@{name}" for name in near(branch, repos[repo])]
    if (match := _REPO.search(details)) is not None:
        return near(match[2], _repos(server, match[1]))
    if (match := _PIPELINE.search(details)) is not None:
        asked = pps_pb2.ListPipelineRequest(projects=[pfs_pb2.Project(name=match[1])])
        pipelines = server.pps.ListPipeline(asked, timeout=_TIMEOUT_S)
        return near(match[2], (info.pipeline.name for info in pipelines))
    if (match := _PROJECT.search(details)) is not None:
        request = pfs_pb2.ListProjectRequest()
        projects = server.pfs.ListProject(request, timeout=_TIMEOUT_S)
        return near(match[1], (info.project.name for info in projects))
    return []


def _names_in(server: APIClient, folder: pfs_pb2.File) -> list[str]:
    request = pfs_pb2.ListFileRequest(file=folder, number=_MOST_FILES)
    found = server.pfs.ListFile(request, timeout=_TIMEOUT_S)
    return [posixpath.basename(info.file.path.rstrip("/")) for info in found]


def _repos(server: APIClient, project: str) -> dict[str, list[str]]:
    """Return the branches of each repo of a project."""
    request = pfs_pb2.ListRepoRequest(type="user", projects=[pfs_pb2.Project(name=project)])
    return {
        info.repo.name: [branch.name for branch in info.branches]
        for info in server.pfs.ListRepo(request, timeout=_TIMEOUT_S)
    }


def near(name: str, names: Iterable[str]) -> list[str]:
    """Return those of some names that may be meant by another one, the nearest first."""
    return [it for it in difflib.get_close_matches(name, [*names], n=_MOST) if it != name]
