"""Calls of pachlocal.v1.Local that say where time went."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pachlocal.api import callers, wire
from pachlocal.api.pps.messages import (
    Messages,
    duration,
    hex_id,
    job_message,
    job_of,
    shown_state,
)
from pachlocal.api.service import Context
from pachlocal.errors import NotFoundError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import datum_store, job_times, jobs, pipelines
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.proto import local_pb2, pps_pb2
from pachlocal.storage.database import Connection

_PAGE = 100  # datums, in memory while the client reads


class Timing:
    """pachlocal.v1.Local: where the time of jobs went, and which datums took it."""

    files: FileSystem

    def inspect_job_times(
        self, request: local_pb2.InspectJobTimesRequest, context: Context
    ) -> local_pb2.InspectJobTimesResponse:
        """Return where the time of jobs went; those that aren't there are left out."""
        answer = local_pb2.InspectJobTimesResponse()
        check = callers.check(context)
        with self.files.snapshot() as connection:
            for asked in request.jobs:
                check()
                try:
                    job = job_of(connection, asked)
                except NotFoundError:
                    continue
                answer.times.append(_times(connection, job))
        return answer

    def list_slowest_datums(
        self, request: local_pb2.ListSlowestDatumsRequest, context: Context
    ) -> Iterator[pps_pb2.DatumInfo]:
        """Yield a job's datums, those first whose program took longest."""
        states = [state for state in DatumState if shown_state(state) in set(request.states)]
        left, after = wire.limit(request.number), request.after
        check = callers.check(context)
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            with self.files.snapshot() as connection:  # not held while the client reads
                job = job_of(connection, request.job)
                last = datum_store.inspect(connection, job, hex_id(after)) if after else None
                if request.states and not states:
                    return  # no job's datum is in such a state
                image = pipelines.by_key(connection, job.pipeline, job.version).spec.transform.image
                messages = Messages(connection, wire.Wire(context))
                infos = datum_store.slowest(connection, job, last, states, size)
                page = [messages.datum(info, job, image) for info in infos]
            yield from page
            check()
            if len(infos) < size:
                return
            after = infos[-1].id.hex()
            left = None if left is None else left - size


def _times(connection: Connection, job: JobInfo) -> local_pb2.JobTimes:
    datums = jobs.progress(connection, job)
    noted = job_times.of(connection, job.key)
    begun = job.started or job.finished or time.time_ns()
    return local_pb2.JobTimes(
        job=job_message(job),
        waiting=duration(max(0, begun - job.created - noted.preparing)),
        planning=duration(noted.planning),
        input=duration(datums.download_ns),
        code_start=duration(noted.preparing + noted.opening + noted.starting),
        user_code=duration(max(0, datums.process_ns - noted.starting)),
        output=duration(datums.upload_ns),
        merging=duration(noted.merging),
    )
