"""How the requests of a transaction are shown: as the commands that made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.proto.transaction_pb2 import TransactionInfo, TransactionRequest


def describe(info: TransactionInfo) -> Iterator[str]:
    """Yield a line for each request."""
    for number, request in enumerate(info.requests):
        name = next((field.name for field, _ in request.ListFields()), "")
        if name not in _FORMS:
            yield "a request that this pachctl doesn't know"
            continue
        line = _FORMS[name](request)
        if name == "start_commit" and number < len(info.responses):
            line += f" ({info.responses[number].commit.id})"
        yield line


def _pipeline(request: pps_pb2.CreatePipelineRequest) -> str:
    return f"{_verb(request.update)} pipeline {request.pipeline.name}"


def _verb(update: bool) -> str:
    return "update" if update else "create"


def _repo(repo: pfs_pb2.Repo) -> str:
    return f"{repo.project.name or 'default'}/{full_name(repo)}"


def _branch(branch: pfs_pb2.Branch) -> str:
    return f"{_repo(branch.repo)}@{branch.name}"


def _commit(commit: pfs_pb2.Commit) -> str:
    repo = commit.repo if commit.HasField("repo") else commit.branch.repo
    return f"{_repo(repo)}@{commit.id or commit.branch.name}"


_FORMS: dict[str, Callable[[TransactionRequest], str]] = {
    "create_repo": lambda it: f"{_verb(it.create_repo.update)} repo {_repo(it.create_repo.repo)}",
    "delete_repo": lambda it: f"delete repo {_repo(it.delete_repo.repo)}",
    "start_commit": lambda it: f"start commit {_branch(it.start_commit.branch)}",
    "finish_commit": lambda it: f"finish commit {_commit(it.finish_commit.commit)}",
    "squash_commit_set": lambda it: f"squash commit {it.squash_commit_set.commit_set.id}",
    "create_branch": lambda it: f"create branch {_branch(it.create_branch.branch)}",
    "delete_branch": lambda it: f"delete branch {_branch(it.delete_branch.branch)}",
    "stop_job": lambda it: f"stop job {it.stop_job.job.pipeline.name}@{it.stop_job.job.id}",
    "create_pipeline": lambda it: _pipeline(it.create_pipeline),
    "create_pipeline_v2": lambda it: _pipeline(it.create_pipeline_v2.create_pipeline_request),
}
