"""What came of a change: the jobs that it set off, and their datums."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.local_service import reasons
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.pps.logs import Writer, log_texts
from pachlocal.proto import pps_pb2

_STATES = {
    pps_pb2.JOB_SUCCESS: "success",
    pps_pb2.JOB_FAILURE: "failure",
    pps_pb2.JOB_KILLED: "killed",
    pps_pb2.JOB_UNRUNNABLE: "unrunnable",
}
_DATUM_STATES = {
    pps_pb2.FAILED: "failed",
    pps_pb2.SUCCESS: "success",
    pps_pb2.SKIPPED: "skipped",
    pps_pb2.RECOVERED: "recovered",
}
_LOG_LINES = 20  # in a message about a failure


class PipelineError(AssertionError):
    """A pipeline didn't do what the test needs: it failed, or didn't get done in time."""


@dataclass(frozen=True, slots=True)
class Datum:
    """A datum of a job.

    Attributes:
        id: Its ID.
        state: success, skipped, failed or recovered.
        files: Its input files, as REPO:/PATH.
        why: Why it ran, or was skipped.
    """

    id: str
    state: str
    files: tuple[str, ...]
    why: str


class Job:
    """What a pipeline made of a change; it has ended."""

    def __init__(self, session: Session, info: pps_pb2.JobInfo) -> None:
        self._session = session
        self._info = info
        self.pipeline: str = info.job.pipeline.name
        self.id: str = info.job.id
        self.state = _STATES.get(info.state, "unknown")
        self.reason: str = info.reason
        self.ran: int = info.data_processed + info.data_recovered + info.data_failed
        self.skipped: int = info.data_skipped
        self.failed: int = info.data_failed
        self.total: int = info.data_total

    def __repr__(self) -> str:
        what = f"{self.state}, {self.ran} ran, {self.skipped} skipped, {self.failed} failed"
        return f"<job {self.pipeline}@{self.id}: {what}>"

    @cached_property
    def datums(self) -> list[Datum]:
        """Its datums, with the reasons why they ran or were skipped."""
        why = {reason.datum_id: reason.reason for reason in reasons(self._session, self._info.job)}
        request = pps_pb2.ListDatumRequest(job=self._info.job)
        return [
            Datum(
                info.datum.id,
                _DATUM_STATES.get(info.state, "waiting"),
                tuple(f"{it.file.commit.repo.name}:{it.file.path}" for it in info.data),
                why.get(info.datum.id, ""),
            )
            for info in self._session.server.pps.ListDatum(request)
        ]

    @cached_property
    def log(self) -> str:
        """All that its code has written to standard output and standard error."""
        request = pps_pb2.GetLogsRequest(pipeline=self._info.job.pipeline, job=self._info.job)
        return "".join(f"{text}\n" for text in log_texts(self._session, request, Writer.USER))

    @property
    def problem(self) -> str:
        """Why it has no results, with the end of its log; empty if it succeeded."""
        if self.state == "success":
            return ""
        lines = self.log.splitlines()[-_LOG_LINES:]
        text = f"{self.pipeline}: {self.state}: {self.reason}"
        return "\n".join([text, *(f"  | {line}" for line in lines)])


class Run(Mapping[str, Job]):
    """The jobs that a change set off, by pipeline; whoever looks at one waits for all.

    A pipeline that a change didn't reach is not in it.
    """

    def __init__(self, session: Session, ids: list[str], timeout_s: float) -> None:
        self._session = session
        self._ids = ids
        self._timeout_s = timeout_s

    def wait(self) -> Run:
        """Wait until all jobs have ended, however they do.

        Raises:
            PipelineError: That takes too long.
        """
        _ = self._jobs
        return self

    def check(self) -> Run:
        """Wait until all jobs have ended; say why if one didn't succeed.

        Raises:
            PipelineError: One failed, or it takes too long.
        """
        problems = [job.problem for job in self.values() if job.problem]
        if problems:
            raise PipelineError("\n".join(problems))
        return self

    @property
    def ran(self) -> dict[str, int]:
        """How many datums of each pipeline ran; all jobs succeeded.

        Raises:
            PipelineError: One failed, or it takes too long.
        """
        return {name: job.ran for name, job in self.check().items()}

    @property
    def failures(self) -> dict[str, str]:
        """Why jobs failed, by pipeline."""
        return {name: job.reason for name, job in self.items() if job.state != "success"}

    def __getitem__(self, pipeline: str) -> Job:
        try:
            return self._jobs[pipeline]
        except KeyError:
            known = ", ".join(self._jobs) or "none"
            raise KeyError(f"no job of {pipeline} came of this; those that did: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def __repr__(self) -> str:
        return f"<run: {', '.join(map(repr, self._jobs.values())) or 'no jobs'}>"

    @cached_property
    def _jobs(self) -> dict[str, Job]:
        deadline = time.monotonic() + self._timeout_s
        found: dict[str, Job] = {}
        for id_ in self._ids:
            for info in self._ended(id_, deadline):
                job = Job(self._session, info)
                if job.state != "killed" or job.pipeline not in found:
                    found[job.pipeline] = job
        return found

    def _ended(self, id_: str, deadline: float) -> list[pps_pb2.JobInfo]:
        request = pps_pb2.InspectJobSetRequest(
            job_set=pps_pb2.JobSet(id=id_), wait=True, details=True
        )
        left = max(deadline - time.monotonic(), 0.001)
        try:
            return list(self._session.server.pps.InspectJobSet(request, timeout=left))
        except grpc.RpcError as error:
            code = status_of(error)
            if code is grpc.StatusCode.NOT_FOUND:
                return []  # no pipeline reads it
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise PipelineError(self._late(id_)) from None
            raise

    def _late(self, id_: str) -> str:
        request = pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id=id_), details=True)
        open_ = []
        for info in self._session.server.pps.InspectJobSet(request):
            if info.state not in _STATES:
                done = info.data_processed + info.data_skipped + info.data_failed
                open_.append(f"{info.job.pipeline.name} ({done} of {info.data_total} datums)")
        crashing = [
            f"; {info.pipeline.name} can't run: {info.reason}"
            for info in self._session.server.pps.ListPipeline(pps_pb2.ListPipelineRequest())
            if info.reason
        ]
        text = f"not done after {self._timeout_s:g} s: {', '.join(open_)}"
        return text + "".join(crashing)
