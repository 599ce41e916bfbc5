"""Calls about datums."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import callers, wire
from pachlocal.api.message_runs import sends_runs
from pachlocal.api.pps import specs
from pachlocal.api.pps.messages import Messages, file_names, hex_id, job_of, shown_state
from pachlocal.api.service import Context
from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.planning.plan import head_commits
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.spec.datums import datum_id, distinct, enumerate_datums
from pachlocal.pps.spec.inputs import complete_input, parse_input
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import datum_store, pipelines
from pachlocal.pps.tables.datum_store import DatumInfo
from pachlocal.proto import pps_pb2

_PAGE = 100  # datums, in memory while the client reads
_DEFAULT_BATCH = 100  # datums, where a request doesn't say how many


class DatumCalls:
    """pps_v2.API: datums."""

    files: FileSystem
    scheduler: Scheduler

    def inspect_datum(
        self, request: pps_pb2.InspectDatumRequest, context: Context
    ) -> pps_pb2.DatumInfo:
        """Return a job's datum."""
        with self.files.snapshot() as connection:
            job = job_of(connection, request.datum.job)
            info = datum_store.inspect(connection, job, hex_id(request.datum.id))
            image = pipelines.by_key(connection, job.pipeline, job.version).spec.transform.image
            return Messages(connection, wire.Wire(context)).datum(info, job, image)

    @sends_runs
    def list_datum(
        self, request: pps_pb2.ListDatumRequest, context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        """Yield a job's datums, or those that an input would give now.

        A page is what comes after the datum that the marker names, in the order of the datums'
        IDs (an input's come as it gives them); in reverse what comes before it, the nearest first.
        """
        if request.HasField("job") and request.HasField("input"):
            raise InvalidArgumentError("cannot specify both job and input")
        number = wire.limit(request.number)
        if request.reverse and number is None:
            raise InvalidArgumentError("number must be > 0 when reverse is set")
        if request.HasField("input"):
            found = self._page_of_preview(request, context)
        else:
            found = self._of_job(request, context)
        yield from islice(found, number)

    def _of_job(
        self, request: pps_pb2.ListDatumRequest, context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        wanted = set(request.filter.state)
        states = [state for state in DatumState if shown_state(state) in wanted]
        check = callers.check(context)
        with self.files.snapshot() as connection:
            job = job_of(connection, request.job)
            passed: bytes | None = None
            if request.paginationMarker:
                passed = hex_id(request.paginationMarker)
                datum_store.inspect(connection, job, passed)
        if wanted and not states:
            return  # no job's datum is in such a state
        while True:
            with self.files.snapshot() as connection:  # not held while the client reads
                job = job_of(connection, request.job)
                image = pipelines.by_key(connection, job.pipeline, job.version).spec.transform.image
                messages = Messages(connection, wire.Wire(context))
                found = (
                    datum_store.by_id_backwards(connection, job, passed, states)
                    if request.reverse
                    else datum_store.by_id(connection, job, passed or b"", states)
                )
                infos = list(islice(found, _PAGE))
                page = [messages.datum(info, job, image) for info in infos]
            yield from page
            if not infos:
                return
            check()
            passed = infos[-1].id

    def _page_of_preview(
        self, request: pps_pb2.ListDatumRequest, context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        found = self._preview(request.input, context, unique=True)
        if request.filter.state and pps_pb2.DatumState.UNKNOWN not in request.filter.state:
            return iter(())  # none has been processed
        marker = request.paginationMarker
        if request.reverse:
            return reversed(deque(_before(found, marker) if marker else found, request.number))
        if marker:
            deque(_before(found, marker), 0)
        return found

    def _preview(
        self, input_: pps_pb2.Input, context: Context, *, unique: bool
    ) -> Iterator[pps_pb2.DatumInfo]:
        spec = specs.to_dict(pps_pb2.CreatePipelineRequest(input=input_))["input"]
        wanted = parse_input(complete_input(spec))
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            heads = head_commits(connection, wanted)
        check = callers.check(context)
        found = enumerate_datums(self.files.objects, heads, wanted, check)
        for datum in distinct(found, wanted) if unique else found:
            yield pps_pb2.DatumInfo(
                datum=pps_pb2.Datum(id=datum_id(datum).hex()),
                stats=pps_pb2.ProcessStats(),
                data=[answer.file_info(file.commit, file.path, file.entry) for file in datum],
            )

    def create_datum(
        self, requests: Iterator[pps_pb2.CreateDatumRequest], context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        """Yield the datums that an input would give now, as many as each request asks for.

        What two arms of a union give comes twice, as on the real server.
        """
        first = next(requests, None)
        if first is None or first.WhichOneof("body") != "start":
            raise InvalidArgumentError("first message must be a StartCreateDatumRequest message")
        found = self._preview(first.start.input, context, unique=False)
        number = wire.limit(first.start.number) or _DEFAULT_BATCH
        ahead = next(found, None)
        while ahead is not None:
            yield from islice(chain((ahead,), found), number)
            ahead = next(found, None)  # with none left it ends, whether more is asked for or not
            request = next(requests, None) if ahead is not None else None
            if request is None:
                return
            if request.WhichOneof("body") != "continue":
                raise InvalidArgumentError(
                    "subsequent messages must be a ContinueCreateDatumRequest message"
                )
            number = wire.limit(getattr(request, "continue").number) or _DEFAULT_BATCH

    def restart_datum(self, request: pps_pb2.RestartDatumRequest, context: Context) -> Empty:
        """Have the datums begin anew that are running and match."""
        with self.files.snapshot() as connection:
            job = job_of(connection, request.job)
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
            raise FailedPreconditionError(
                f"datum matching filter [{shown}] could not be found for job ID {job.id}"
            )
        return Empty()


def _before(found: Iterator[pps_pb2.DatumInfo], marker: str) -> Iterator[pps_pb2.DatumInfo]:
    """Yield the datums that come before one, which is taken from them too.

    Raises:
        NotFoundError: It isn't among them.
    """
    for info in found:
        if info.datum.id == marker:
            return
        yield info
    raise NotFoundError(f"datum {marker} not found: the input gives no such datum")


def _matches(datum: DatumInfo, filters: Iterable[str]) -> bool:
    """Whether a datum has input files of all these paths or hashes."""
    names = {name for file in datum.files for name in file_names(file)}
    return all(name in names for name in filters)
