"""Calls about jobs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from itertools import chain, groupby, islice

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import wire
from pachlocal.api.pps import filters
from pachlocal.api.pps.messages import Messages, pipeline_name
from pachlocal.api.room import makes_room
from pachlocal.api.service import Context
from pachlocal.api.waiting_calls import Steps, waits
from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.names import RepoName
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs, pipelines, topics
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.proto import pps_pb2
from pachlocal.storage.change_notifier import Watch
from pachlocal.storage.database import Connection

_MOST_VERSIONS = 2**31  # of a pipeline


class JobCalls:
    """pps_v2.API: jobs and job sets."""

    files: FileSystem
    scheduler: Scheduler

    @waits
    def inspect_job(
        self, request: pps_pb2.InspectJobRequest, context: Context
    ) -> Steps[pps_pb2.JobInfo]:
        """Yield a job, once it has ended if asked to wait."""
        if not request.HasField("job"):
            raise InvalidArgumentError("must specify a job")
        repo = RepoName(*pipeline_name(request.job.pipeline))
        with self.files.snapshot() as connection:
            pipelines.inspect(connection, repo.project, repo.name)
            info = jobs.inspect(connection, repo, request.job.id)
        if request.wait:
            info = yield from self._await_end(info)
        yield self._message(info, context, details=request.details)

    def list_job(
        self, request: pps_pb2.ListJobRequest, context: Context
    ) -> Iterator[pps_pb2.JobInfo]:
        """Yield jobs of the pipelines' current versions, and earlier ones; the newest first."""
        number = wire.limit(request.number)
        projects = [wire.project_name(project) for project in request.projects]
        with self.files.snapshot() as connection:
            pipeline = None
            if request.pipeline.name:
                pipeline = pipelines.inspect(connection, *pipeline_name(request.pipeline)).key
            inputs = {
                resolve.resolve(connection, *wire.commit_name(commit)).key
                for commit in request.input_commit
            }
            found = [
                info
                for info in jobs.list_jobs(
                    connection,
                    pipeline=pipeline,
                    history_depth=min(request.history, _MOST_VERSIONS),
                    projects=projects,
                )
                if inputs <= jobs.inputs_of(connection, info)
            ]
            message_of = partial(self._in, connection, context, request.details)
            marker = request.paginationMarker.ToNanoseconds()
            ordered = _after(found, marker, reverse=request.reverse)
            wanted = filters.kept(request.jqFilter, ordered, pps_pb2.JobState, message_of)
            yield from map(message_of, islice(wanted, number))

    @waits
    def subscribe_job(
        self, request: pps_pb2.SubscribeJobRequest, context: Context
    ) -> Steps[pps_pb2.JobInfo]:
        """Yield a pipeline's jobs as they come, the oldest first."""
        seen = 0
        watched = topics.of_jobs(None)
        while True:
            with self.files.database.notifier.watch(watched) as watch:
                with self.files.snapshot() as connection:
                    found = pipelines.find(connection, *pipeline_name(request.pipeline))
                    listed = jobs.list_jobs(connection, pipeline=found.key) if found else ()
                    new = [info for info in listed if info.key > seen][::-1]
                for info in new:
                    seen = info.key
                    yield self._message(info, context, details=request.details)
                before, watched = watched, topics.of_jobs(found.key if found else None)
                if watched == before:
                    yield watch

    @waits
    def inspect_job_set(
        self, request: pps_pb2.InspectJobSetRequest, context: Context
    ) -> Steps[pps_pb2.JobInfo]:
        """Yield the jobs of a set, inputs first; each once it has ended if asked to wait."""
        with self.files.snapshot() as connection:
            members = jobs.job_set(connection, request.job_set.id)
        if not members:
            raise NotFoundError(f"no commits found for commitset {request.job_set.id}")
        for info in members:
            if request.wait:
                info = yield from self._await_end(info)
            yield self._message(info, context, details=request.details)

    def list_job_set(
        self, request: pps_pb2.ListJobSetRequest, context: Context
    ) -> Iterator[pps_pb2.JobSetInfo]:
        """Yield job sets, the newest first."""
        number = wire.limit(request.number)
        projects = {wire.project_name(project) for project in request.projects}
        marker = request.paginationMarker.ToNanoseconds()
        with self.files.snapshot() as connection:
            message_of = partial(self._in, connection, context, request.details)
            sets = [
                [
                    info
                    for info in jobs.job_set(connection, id_)
                    if not projects or info.repo.project in projects
                ]
                for id_ in jobs.job_set_ids(connection)
            ]
            members = filters.kept(
                request.jqFilter, chain.from_iterable(sets), pps_pb2.JobState, message_of
            )
            # The jobs of a set stay together.
            kept = [list(jobs_of) for _, jobs_of in groupby(members, key=lambda info: info.id)]
            by_head = {found[0].key: found for found in kept}
            heads = _after([found[0] for found in kept], marker, reverse=request.reverse)
            for head in heads[:number]:
                yield pps_pb2.JobSetInfo(
                    job_set=pps_pb2.JobSet(id=head.id), jobs=map(message_of, by_head[head.key])
                )

    @makes_room
    def stop_job(self, request: pps_pb2.StopJobRequest, context: Context) -> Empty:
        """End a job; it is not an error if it has ended."""
        with self.files.transaction() as tx:
            info = self._find_job(tx.connection, request.job)
            if not info.state.is_terminal:
                reason = request.reason or "job stopped"
                jobs.end_without_output(tx, self.files.objects, info, JobState.KILLED, reason)
        return Empty()

    @makes_room
    def delete_job(self, request: pps_pb2.DeleteJobRequest, context: Context) -> Empty:
        """Forget a job."""
        with self.files.transaction() as tx:
            jobs.delete(tx, self.files.objects, self._find_job(tx.connection, request.job))
        return Empty()

    def _find_job(self, connection: Connection, job: pps_pb2.Job) -> JobInfo:
        return jobs.inspect(connection, RepoName(*pipeline_name(job.pipeline)), job.id)

    def _await_end(self, info: JobInfo) -> Generator[Watch, None, JobInfo]:
        """Wait until a job has ended; return it as it is then.

        Raises:
            NotFoundError: It was deleted in the meantime.
        """
        with self.files.database.notifier.watch([topics.job(info.key)]) as watch:
            while True:
                with self.files.snapshot() as connection:
                    now = jobs.by_key(connection, info.key)
                if now.state.is_terminal:
                    return now
                yield watch

    def _message(self, info: JobInfo, context: Context, *, details: bool) -> pps_pb2.JobInfo:
        with self.files.snapshot() as connection:
            return self._in(connection, context, details, info)

    def _in(
        self,
        connection: Connection,
        context: Context,
        details: bool,
        info: JobInfo,
    ) -> pps_pb2.JobInfo:
        workers = () if info.state.is_terminal else self.scheduler.workers(info.pipeline)
        return Messages(connection, wire.Wire(context)).job(info, workers, details=details)


def _after(newest_first: list[JobInfo], marker: int, *, reverse: bool) -> list[JobInfo]:
    """Return what comes before the marker (ns since 1970); in reverse, after it."""
    ordered = newest_first[::-1] if reverse else newest_first
    if not marker:
        return ordered
    return [
        info for info in ordered if (info.created > marker if reverse else info.created < marker)
    ]
