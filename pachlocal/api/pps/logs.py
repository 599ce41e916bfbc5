"""The call for log lines, and its twin of pachlocal.v1.Local."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pachlocal.api import wire
from pachlocal.api.pps.messages import file_names, hex_id, job_of, pipeline_name
from pachlocal.api.service import Context
from pachlocal.api.waiting_calls import Steps, waits
from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.tables import datum_store, jobs, log_reading, pipelines, topics
from pachlocal.pps.tables.log_reading import LogFilter, LogPosition
from pachlocal.pps.tables.logs import LogLine
from pachlocal.proto import local_pb2, pps_pb2
from pachlocal.storage.change_notifier import Watch
from pachlocal.storage.database import Connection

_T = TypeVar("_T")

_REMEMBERED = 1000  # datums
_PACHCTL_AGENT = "grpc-go"
_ALL = local_pb2.ReadLogsRequest.ALL
# What a client of Pachyderm sorts out by itself: master, user.
_WRITERS = {
    local_pb2.ReadLogsRequest.USER: (False, True),
    local_pb2.ReadLogsRequest.WORKER: (False, False),
    local_pb2.ReadLogsRequest.MASTER: (True, None),
}


class LogCalls:
    """pps_v2.API: logs."""

    files: FileSystem
    scheduler: Scheduler

    @waits
    def get_logs(
        self, request: pps_pb2.GetLogsRequest, context: Context
    ) -> Steps[pps_pb2.LogMessage]:
        """Yield log lines; with `follow`, for as long as the caller is there.

        With `tail` it is the last of those that the other fields ask for. Pachyderm's own pachctl
        shows of these the ones that users' code wrote, so that for it they are what counts.
        """
        user_agent = str(dict(context.invocation_metadata()).get("user-agent", ""))
        counts_users = user_agent.startswith(_PACHCTL_AGENT) and not request.master
        make = _Messages().without_text
        for page in self._pages(request, _ALL, make, counts_users=counts_users):
            if isinstance(page, Watch):
                yield page
                continue
            for common, line in page:
                for text in line.message.split("\n"):
                    message = pps_pb2.LogMessage()
                    message.CopyFrom(common)
                    message.message = text
                    message.ts.FromNanoseconds(line.time)
                    yield message

    @waits
    def read_logs(
        self, request: local_pb2.ReadLogsRequest, context: Context
    ) -> Steps[local_pb2.ReadLogsResponse]:
        """Yield the texts of log lines, many in a message; or all that is known of them."""
        if request.details:
            yield from self._read_details(request)
            return
        for page in self._pages(request.request, request.writer, _texts):
            if isinstance(page, Watch):
                yield page
            else:
                yield local_pb2.ReadLogsResponse(texts=page)

    def _read_details(
        self, request: local_pb2.ReadLogsRequest
    ) -> Steps[local_pb2.ReadLogsResponse]:
        make = _Messages(with_files=False).without_text
        for page in self._pages(request.request, request.writer, make):
            if isinstance(page, Watch):
                yield page
                continue
            answer = local_pb2.ReadLogsResponse()
            for common, line in page:
                message = answer.messages.add()
                message.CopyFrom(common)
                message.message = line.message
                message.ts.FromNanoseconds(line.time)
            yield answer

    def _pages(
        self,
        request: pps_pb2.GetLogsRequest,
        writer: local_pb2.ReadLogsRequest.Writer.ValueType,
        make: Callable[[Connection, list[LogLine]], list[_T]],
        *,
        counts_users: bool = False,
    ) -> Steps[list[_T]]:
        """Yield what is made of the lines, page by page; no snapshot is held meanwhile.

        Args:
            request: What is wanted.
            writer: Whose lines.
            make: What makes it.
            counts_users: Whether the request's `tail` counts only what users' code wrote.
        """
        tail = wire.limit(request.tail, "tail")
        self.scheduler.flush_logs()
        with self.files.snapshot() as connection:
            wanted = self._filter(connection, request, writer)
            is_counted = counts_users and wanted.pipeline is not None
            counted = replace(wanted, user=True) if is_counted else wanted
            place = LogPosition() if tail is None else log_reading.tail(connection, counted, tail)
        with self.files.database.notifier.watch([topics.lines_of(wanted.pipeline)]) as watch:
            while True:
                with self.files.snapshot() as connection:
                    lines, place = log_reading.read(connection, wanted, place)
                    page = make(connection, lines)
                if lines:
                    yield page
                elif request.follow:
                    yield watch
                else:
                    return

    def _filter(
        self,
        connection: Connection,
        request: pps_pb2.GetLogsRequest,
        writer: local_pb2.ReadLogsRequest.Writer.ValueType,
    ) -> LogFilter:
        job = request.job if request.HasField("job") and request.job.id else None
        if job is None and not request.pipeline.name:
            if request.HasField("datum") or request.data_filters:
                raise InvalidArgumentError(
                    "must specify the Job or Pipeline that the datum is from to get logs for it"
                )
            master, user = _WRITERS.get(writer, (request.master or None, None))
            return LogFilter(master=master, user=user, since=_since(request))
        if job is not None and not job.pipeline.name:
            raise InvalidArgumentError("pipeline must be specified for the given job")
        owner = job.pipeline if job is not None else request.pipeline
        if request.pipeline.name and pipeline_name(owner) != pipeline_name(request.pipeline):
            raise InvalidArgumentError("job is from the wrong pipeline")
        master, user = _WRITERS.get(writer, (request.master, None))
        return LogFilter(
            pipeline=_pipeline(connection, owner),
            job=_job(connection, job) if job is not None else None,
            datum=hex_id(request.datum.id) if request.datum.id else None,
            master=master,
            user=user,
            since=_since(request),
            about=self._about(tuple(request.data_filters)) if request.data_filters else None,
        )

    def _about(self, names: tuple[str, ...]) -> Callable[[int, bytes], bool]:
        """Return what tells whether a datum has files of all these paths or hashes."""
        known: dict[tuple[int, bytes], bool] = {}

        def about(job: int, id_: bytes) -> bool:
            if (job, id_) not in known:
                with self.files.snapshot() as connection:
                    datum = datum_store.find(connection, job, id_)
                files = datum.files if datum else ()
                found = {name for file in files for name in file_names(file)}
                known[job, id_] = found.issuperset(names)
            return known[job, id_]

        return about


class _Messages:
    """Makes messages of lines but for their text, once for lines about the same.

    Args:
        with_files: Whether they name the files of the datum that a line is about.
    """

    def __init__(self, *, with_files: bool = True) -> None:
        self._with_files = with_files
        self._made: dict[LogLine, pps_pb2.LogMessage] = {}
        self._pipelines: dict[int, tuple[str, str]] = {}
        self._jobs: dict[int, str] = {}

    def without_text(
        self, connection: Connection, lines: list[LogLine]
    ) -> list[tuple[pps_pb2.LogMessage, LogLine]]:
        return [(self._of(connection, line), line) for line in lines]

    def _of(self, connection: Connection, line: LogLine) -> pps_pb2.LogMessage:
        key = line._replace(message="", time=0)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            found = self._made[key] = self._make(connection, line)
        return found

    def _make(self, connection: Connection, line: LogLine) -> pps_pb2.LogMessage:
        project, name = self._pipeline(connection, line.pipeline)
        message = pps_pb2.LogMessage(
            project_name=project,
            pipeline_name=name,
            worker_id=line.worker,
            master=line.master,
            user=line.user,
        )
        if line.job is None:
            return message
        message.job_id = self._job(connection, line.job)
        if line.datum is None:
            return message
        message.datum_id = line.datum.hex()
        if self._with_files:
            datum = datum_store.find(connection, line.job, line.datum)
            message.data.extend(
                pps_pb2.InputFile(path=file.path, hash=file.entry.hash)
                for file in (datum.files if datum else ())
            )
        return message

    def _pipeline(self, connection: Connection, key: int) -> tuple[str, str]:
        """Return a pipeline's project and name; its spec is long to parse."""
        if key not in self._pipelines:
            spec = pipelines.by_key(connection, key).spec
            self._pipelines[key] = spec.project, spec.name
        return self._pipelines[key]

    def _job(self, connection: Connection, key: int) -> str:
        if key not in self._jobs:
            self._jobs[key] = jobs.by_key(connection, key).id
        return self._jobs[key]


def _texts(_: Connection, lines: list[LogLine]) -> list[str]:
    return [line.message for line in lines]


def _pipeline(connection: Connection, name: pps_pb2.Pipeline) -> int:
    try:
        return pipelines.inspect(connection, *pipeline_name(name)).key
    except NotFoundError as error:
        raise NotFoundError(
            f"could not get pipeline information for {name.name}: {error}"
        ) from None


def _job(connection: Connection, job: pps_pb2.Job) -> int:
    try:
        return job_of(connection, job).key
    except NotFoundError as error:
        raise NotFoundError(f'could not get job information for "{job.id}": {error}') from None


def _since(request: pps_pb2.GetLogsRequest) -> int:
    back = request.since.ToNanoseconds()
    return max(0, time.time_ns() - back) if back else 0
