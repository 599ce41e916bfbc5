"""What a shell may complete words to: the names that the server knows.

There is nothing to complete to where it can't be asked: who presses a key wants no error message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from pachlocal.cli.pachctl.client.failures import call_error
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

_TIMEOUT_S = 2.0
_MOST = 200  # a shell asks before it shows more
_JOBS = 20

Proposals = Callable[[Session, pfs_pb2.Project, str], Iterator[str]]


def items(proposals: Proposals, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return what a word may be completed to.

    Args:
        proposals: Yields texts for a session, a project and the word.
        ctx: The command's.
        incomplete: The word as far as it is there.
    """
    from click.shell_completion import CompletionItem

    session = ctx.ensure_object(Session)
    try:
        project = pfs_pb2.Project(name=session.project(ctx.params.get("project")))
        found = (it for it in proposals(session, project, incomplete) if it.startswith(incomplete))
        return [CompletionItem(text) for text in islice(found, _MOST)]
    except (call_error(), CliError):
        return []


def repos(session: Session, project: pfs_pb2.Project, _word: str) -> Iterator[str]:
    """Yield the names of repos."""
    request = pfs_pb2.ListRepoRequest(type="user", projects=[project])
    for info in session.server.pfs.ListRepo(request, timeout=_TIMEOUT_S):
        yield info.repo.name


def branches(session: Session, project: pfs_pb2.Project, word: str) -> Iterator[str]:
    """Yield REPO@BRANCH of all repos whose names a word begins or holds."""
    name = word.partition("@")[0]
    request = pfs_pb2.ListRepoRequest(type="user", projects=[project])
    for info in session.server.pfs.ListRepo(request, timeout=_TIMEOUT_S):
        if info.repo.name.startswith(name):
            for branch in info.branches:
                yield f"{info.repo.name}@{branch.name}"


def files(session: Session, project: pfs_pb2.Project, word: str) -> Iterator[str]:
    """Yield REPO@BRANCH: as long as that isn't there, then the files of the word's folder."""
    place, colon, path = word.partition(":")
    if not colon:
        yield from (f"{branch}:/" for branch in branches(session, project, word))
        return
    repo_name, _, commit = place.partition("@")
    repo = pfs_pb2.Repo(name=repo_name, type="user", project=project)
    branch = pfs_pb2.Branch(name=commit, repo=repo)
    folder = path.rpartition("/")[0] + "/"
    file = pfs_pb2.File(commit=pfs_pb2.Commit(repo=repo, branch=branch), path=folder)
    request = pfs_pb2.ListFileRequest(file=file)
    for info in session.server.pfs.ListFile(request, timeout=_TIMEOUT_S):
        yield f"{place}:{info.file.path}"


def pipelines(session: Session, project: pfs_pb2.Project, _word: str) -> Iterator[str]:
    """Yield the names of pipelines."""
    request = pps_pb2.ListPipelineRequest(projects=[project])
    for info in session.server.pps.ListPipeline(request, timeout=_TIMEOUT_S):
        yield info.pipeline.name


def jobs(session: Session, project: pfs_pb2.Project, word: str) -> Iterator[str]:
    """Yield PIPELINE@ as long as that isn't there, then the newest jobs of the pipeline."""
    name, at, _ = word.partition("@")
    if not at:
        yield from (f"{pipeline}@" for pipeline in pipelines(session, project, word))
        return
    pipeline = pps_pb2.Pipeline(name=name, project=project)
    request = pps_pb2.ListJobRequest(pipeline=pipeline, number=_JOBS, history=-1)
    for info in session.server.pps.ListJob(request, timeout=_TIMEOUT_S):
        yield f"{name}@{info.job.id}"
