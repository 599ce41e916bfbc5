"""Calls about datums and logs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import waiting, wire
from pachlocal.api.pps import specs
from pachlocal.api.pps.messages import Messages, pipeline_name
from pachlocal.api.service import Context
from pachlocal.errors import ConflictError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import RepoName
from pachlocal.pps import datum_store, jobs, logs, pipelines
from pachlocal.pps.datum_store import DatumInfo
from pachlocal.pps.datums import datum_id, enumerate_datums
from pachlocal.pps.inputs import complete_input, parse_input
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.logs import LogFilter
from pachlocal.pps.plan import head_commits
from pachlocal.pps.scheduler import Scheduler
from pachlocal.proto import pps_pb2
from pachlocal.storage.database import Connection

_DEFAULT_BATCH = 100  # datums, where a request doesn't say how many


class DatumCalls:
    """pps_v2.API: datums and logs."""

    files: FileSystem
    scheduler: Scheduler

    def inspect_datum(
        self, request: pps_pb2.InspectDatumRequest, context: Context
    ) -> pps_pb2.DatumInfo:
        """Return a job's datum."""
        with self.files.snapshot() as connection:
            job = _job(connection, request.datum.job)
            info = datum_store.inspect(connection, job, _datum_id(request.datum.id))
            image = pipelines.by_key(connection, job.pipeline, job.version).spec.transform.image
            return Messages(connection, wire.Wire(context)).datum(info, job, image)

    def list_datum(
        self, request: pps_pb2.ListDatumRequest, context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        """Yield a job's datums, or those that an input would give now."""
        if request.HasField("input"):
            found = self._preview(request.input, context)
        else:
            found = self._of_job(request, context)
        yield from islice(found, request.number or None)

    def _of_job(
        self, request: pps_pb2.ListDatumRequest, context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        wanted = set(request.filter.state)
        with self.files.snapshot() as connection:
            job = _job(connection, request.job)
            image = pipelines.by_key(connection, job.pipeline, job.version).spec.transform.image
            messages = Messages(connection, wire.Wire(context))
            for info in datum_store.list_datums(connection, job):
                message = messages.datum(info, job, image)
                if not wanted or message.state in wanted:
                    yield message

    def _preview(self, input_: pps_pb2.Input, context: Context) -> Iterator[pps_pb2.DatumInfo]:
        spec = specs.to_dict(pps_pb2.CreatePipelineRequest(input=input_))["input"]
        wanted = parse_input(complete_input(spec))
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            heads = head_commits(connection, wanted)
        for datum in enumerate_datums(self.files.objects, heads, wanted):
            yield pps_pb2.DatumInfo(
                datum=pps_pb2.Datum(id=datum_id(datum).hex()),
                stats=pps_pb2.ProcessStats(),
                data=[answer.file_info(file.commit, file.path, file.entry) for file in datum],
            )

    def create_datum(
        self, requests: Iterator[pps_pb2.CreateDatumRequest], context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        """Yield the datums that an input would give now, as many as each request asks for."""
        first = next(requests, None)
        if first is None or first.WhichOneof("body") != "start":
            raise InvalidArgumentError("first message must be a start message")
        found = self._preview(first.start.input, context)
        number = first.start.number or _DEFAULT_BATCH
        while True:
            given = 0
            for message in islice(found, number):
                given += 1
                yield message
            request = next(requests, None) if given == number else None
            if request is None:
                return
            number = getattr(request, "continue").number or _DEFAULT_BATCH

    def restart_datum(self, request: pps_pb2.RestartDatumRequest, context: Context) -> Empty:
        """Have the datums begin anew that are running and match."""
        with self.files.snapshot() as connection:
            job = _job(connection, request.job)
            running = [
                info
                for status in self.scheduler.workers(job.pipeline)
                if status.job == job.id
                and (info := datum_store.find(connection, job.key, status.datum)) is not None
                and _matches(info, request.data_filters)
            ]
        restarted = [self.scheduler.restart(job.pipeline, job.id, info.id) for info in running]
        if not any(restarted):
            shown = " ".join(request.data_filters)
            raise ConflictError(
                f"datum matching filter [{shown}] could not be found for job ID {job.id}"
            )
        return Empty()

    def get_logs(
        self, request: pps_pb2.GetLogsRequest, context: Context
    ) -> Iterator[pps_pb2.LogMessage]:
        """Yield log lines; with `follow`, for as long as the caller is there."""
        self.scheduler.flush_logs()
        with self.files.snapshot() as connection:
            wanted = _filter(connection, request)
            after = logs.tail(connection, wanted, request.tail) if request.tail else 0
        for _ in waiting.changes(self.files.database.progress, context):
            with self.files.snapshot() as connection:
                messages = Messages(connection, wire.Wire(context))
                for line in logs.read(connection, wanted, after):
                    after = line.key or after
                    message = messages.log(line)
                    if _has_data(message, list(request.data_filters)):
                        yield message
            if not request.follow:
                return


def _job(connection: Connection, job: pps_pb2.Job) -> JobInfo:
    return jobs.inspect(connection, RepoName(*pipeline_name(job.pipeline)), job.id)


def _datum_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidArgumentError(f"datum ID {text!r} is not hexadecimal") from None


def _filter(connection: Connection, request: pps_pb2.GetLogsRequest) -> LogFilter:
    job = request.job if request.HasField("job") and request.job.id else None
    if job is None and not request.pipeline.name:
        if request.HasField("datum") or request.data_filters:
            raise InvalidArgumentError(
                "must specify the Job or Pipeline that the datum is from to get logs for it"
            )
        return LogFilter(master=request.master or None, since=_since(request))
    if job is not None and not job.pipeline.name:
        raise InvalidArgumentError("pipeline must be specified for the given job")
    owner = job.pipeline if job is not None else request.pipeline
    if request.pipeline.name and pipeline_name(owner) != pipeline_name(request.pipeline):
        raise InvalidArgumentError("job is from the wrong pipeline")
    try:
        pipeline = pipelines.inspect(connection, *pipeline_name(owner))
    except NotFoundError as error:
        raise NotFoundError(
            f"could not get pipeline information for {owner.name}: {error}"
        ) from None
    key = None
    if job is not None:
        try:
            key = _job(connection, job).key
        except NotFoundError as error:
            raise NotFoundError(f'could not get job information for "{job.id}": {error}') from None
    return LogFilter(
        pipeline=pipeline.key,
        job=key,
        datum=_datum_id(request.datum.id) if request.datum.id else None,
        master=request.master,
        since=_since(request),
    )


def _since(request: pps_pb2.GetLogsRequest) -> int:
    back = request.since.ToNanoseconds()
    return time.time_ns() - back if back else 0


def _has_data(message: pps_pb2.LogMessage, filters: list[str]) -> bool:
    """Whether a line's datum has input files of all these paths or hashes (hex)."""
    names = {name for file in message.data for name in (file.path, file.hash.hex())}
    return all(name in names for name in filters)


def _matches(datum: DatumInfo, filters: Iterable[str]) -> bool:
    """Whether a datum has input files of all these paths or hashes (hex)."""
    names = {name for file in datum.files for name in (file.path, file.entry.hash.hex())}
    return all(name in names for name in filters)
