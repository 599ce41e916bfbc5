"""What a server holds of the workshop."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import grpc
from google.protobuf import empty_pb2

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.proto import pfs_pb2, pps_pb2

Answer = TypeVar("Answer")

_TIMEOUT_S = 10.0


class WorkshopState:
    """Asks the server of a session, each question once."""

    def __init__(self, session: Session, project: str = "") -> None:
        """Ask nothing yet.

        Args:
            session: Whose server it is.
            project: Which project; if empty, the session's.
        """
        self._session = session
        self._project = project or session.project()
        self.address = str(session.server.address)
        self.has_repo = cache(self._has_repo)
        self.files = cache(self._files)
        self.text = cache(self._text)
        self.pipeline = cache(self._pipeline)
        self.versions = cache(self._versions)
        self.job = cache(self._job)
        self.head = cache(self._head)

    def version(self) -> str:
        """The server's release."""
        answer = self._session.server.version.GetVersion(empty_pb2.Empty(), timeout=_TIMEOUT_S)
        return f"{answer.major}.{answer.minor}.{answer.micro}"

    def language(self, pipeline: str = "model") -> str:
        """The language of a pipeline's stage; python if there is no such pipeline."""
        info = self.pipeline(pipeline)
        return language_of(info) if info else "python"

    def _has_repo(self, name: str) -> bool:
        request = pfs_pb2.InspectRepoRequest(repo=self._repo(name))
        return _found(lambda: self._session.server.pfs.InspectRepo(request)) is not None

    def _head(self, repo: str) -> pfs_pb2.CommitInfo | None:
        """The commit at the end of master, finished or not; None if there is none."""
        request = pfs_pb2.InspectCommitRequest(commit=self._master(repo))
        return _found(lambda: self._session.server.pfs.InspectCommit(request))

    def _files(self, repo: str) -> dict[str, int]:
        """The files on master with their sizes in bytes; none if there is no such repo."""
        file = pfs_pb2.File(commit=self._master(repo), path="/")
        request = pfs_pb2.ListFileRequest(file=file)
        infos = _found(lambda: list(self._session.server.pfs.ListFile(request)))
        return {info.file.path: info.size_bytes for info in infos or ()}

    def _text(self, repo: str, path: str) -> str:
        """A file on master, which must be there."""
        file = pfs_pb2.File(commit=self._master(repo), path=path)
        chunks = self._session.server.pfs.GetFile(pfs_pb2.GetFileRequest(file=file))
        return b"".join(chunk.value for chunk in chunks).decode(errors="replace")

    def _pipeline(self, name: str) -> pps_pb2.PipelineInfo | None:
        pipeline = pps_pb2.Pipeline(name=name)
        pipeline.project.name = self._project
        request = pps_pb2.InspectPipelineRequest(pipeline=pipeline, details=True)
        return _found(lambda: self._session.server.pps.InspectPipeline(request))

    def _versions(self, name: str) -> list[pps_pb2.PipelineInfo]:
        """All versions that a pipeline has had."""
        pipeline = pps_pb2.Pipeline(name=name)
        pipeline.project.name = self._project
        request = pps_pb2.ListPipelineRequest(pipeline=pipeline, history=-1, details=True)
        return _found(lambda: list(self._session.server.pps.ListPipeline(request))) or []

    def _job(self, pipeline: str) -> pps_pb2.JobInfo | None:
        """The job that makes, or made, what is on a pipeline's master."""
        head = self.head(pipeline)
        if head is None:
            return None
        request = pps_pb2.InspectJobRequest(job=pps_pb2.Job(id=head.commit.id), details=True)
        request.job.pipeline.name = pipeline
        request.job.pipeline.project.name = self._project
        return _found(lambda: self._session.server.pps.InspectJob(request))

    def _repo(self, name: str) -> pfs_pb2.Repo:
        return pfs_pb2.Repo(name=name, type="user", project=pfs_pb2.Project(name=self._project))

    def _master(self, repo: str) -> pfs_pb2.Commit:
        branch = pfs_pb2.Branch(repo=self._repo(repo), name="master")
        return pfs_pb2.Commit(repo=branch.repo, branch=branch)


def language_of(info: pps_pb2.PipelineInfo) -> str:
    """Return the language of a pipeline's stage, as the tag of its image names it."""
    tag = info.details.transform.image.rpartition(":")[2]
    return tag.partition("-")[0] if tag.startswith(("rstats", "julia")) else "python"


def _found(call: Callable[[], Answer]) -> Answer | None:
    """Return what a call answers, or None if there is no such thing."""
    try:
        return call()
    except grpc.RpcError as error:
        # Of a branch without commits a real server says UNKNOWN, and the rest in words.
        details = error.details() if isinstance(error, grpc.Call) else ""
        if status_of(error) is grpc.StatusCode.NOT_FOUND or "not found" in (details or ""):
            return None
        raise
