"""Calls about jobs."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import waiting, wire
from pachlocal.api.pps import filters
from pachlocal.api.pps.messages import Messages, pipeline_name
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError, NotFoundError
from pachlocal.pfs import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.names import RepoName
from pachlocal.pps import jobs, pipelines
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.scheduler import Scheduler
from pachlocal.pps.states import JobState
from pachlocal.proto import pps_pb2
from pachlocal.storage.database import Connection


class JobCalls:
    """pps_v2.API: jobs and job sets."""

    files: FileSystem
    scheduler: Scheduler

    def inspect_job(self, request: pps_pb2.InspectJobRequest, context: Context) -> pps_pb2.JobInfo:
        """Return a job, once it has ended if asked to wait."""
        repo = RepoName(*pipeline_name(request.job.pipeline))
        with self.files.snapshot() as connection:
            pipelines.inspect(connection, repo.project, repo.name)
            info = jobs.inspect(connection, repo, request.job.id)
        if request.wait:
            info = self._await_end(info, context)
        return self._message(info, context, details=request.details)

    def list_job(
        self, request: pps_pb2.ListJobRequest, context: Context
    ) -> Iterator[pps_pb2.JobInfo]:
        """Yield jobs, the newest first; of a pipeline, those of its current version."""
        keep = filters.parse(request.jqFilter, pps_pb2.JobState)
        projects = [wire.project_name(project) for project in request.projects]
        with self.files.snapshot() as connection:
            pipeline = version = None
            if request.pipeline.name:
                found = pipelines.inspect(connection, *pipeline_name(request.pipeline))
                pipeline = found.key
                version = None if request.history else found.version
            inputs = {
                resolve.resolve(connection, *wire.commit_name(commit)).key
                for commit in request.input_commit
            }
            found_jobs = [
                info
                for info in jobs.list_jobs(
                    connection, pipeline=pipeline, version=version, projects=projects
                )
                if keep(info.state) and inputs <= jobs.inputs_of(connection, info)
            ]
            marker = request.paginationMarker.ToNanoseconds()
            for info in _page(found_jobs, marker, request.number, reverse=request.reverse):
                yield self._in(connection, info, context, details=request.details)

    def subscribe_job(
        self, request: pps_pb2.SubscribeJobRequest, context: Context
    ) -> Iterator[pps_pb2.JobInfo]:
        """Yield a pipeline's jobs as they come, the oldest first."""
        seen = 0
        for _ in waiting.changes(self.files.database.news, context):
            with self.files.snapshot() as connection:
                found = pipelines.find(connection, *pipeline_name(request.pipeline))
                listed = jobs.list_jobs(connection, pipeline=found.key) if found else ()
                new = [info for info in listed if info.key > seen][::-1]
            for info in new:
                seen = info.key
                yield self._message(info, context, details=request.details)

    def inspect_job_set(
        self, request: pps_pb2.InspectJobSetRequest, context: Context
    ) -> Iterator[pps_pb2.JobInfo]:
        """Yield the jobs of a set, inputs first; each once it has ended if asked to wait."""
        with self.files.snapshot() as connection:
            members = jobs.job_set(connection, request.job_set.id)
        if not members:
            raise NotFoundError(f"no commits found for commitset {request.job_set.id}")
        for info in members:
            ended = self._await_end(info, context) if request.wait else info
            yield self._message(ended, context, details=request.details)

    def list_job_set(
        self, request: pps_pb2.ListJobSetRequest, context: Context
    ) -> Iterator[pps_pb2.JobSetInfo]:
        """Yield job sets, the newest first."""
        if request.number < 0:
            raise InvalidArgumentError("number must not be negative")
        keep = filters.parse(request.jqFilter, pps_pb2.JobState)
        projects = {wire.project_name(project) for project in request.projects}
        marker = request.paginationMarker.ToNanoseconds()
        with self.files.snapshot() as connection:
            sets = [
                [
                    info
                    for info in jobs.job_set(connection, id_)
                    if keep(info.state) and (not projects or info.repo.project in projects)
                ]
                for id_ in jobs.job_set_ids(connection)
            ]
            heads = [members[0] for members in sets if members]
            by_head = {members[0].key: members for members in sets if members}
            for head in _page(heads, marker, request.number, reverse=request.reverse):
                yield pps_pb2.JobSetInfo(
                    job_set=pps_pb2.JobSet(id=head.id),
                    jobs=[
                        self._in(connection, info, context, details=request.details)
                        for info in by_head[head.key]
                    ],
                )

    def stop_job(self, request: pps_pb2.StopJobRequest, context: Context) -> Empty:
        """End a job; one that has ended is no error."""
        with self.files.transaction() as tx:
            info = self._find_job(tx.connection, request.job)
            if not info.state.is_terminal:
                reason = request.reason or "job stopped"
                jobs.end_without_output(tx, self.files.objects, info, JobState.KILLED, reason)
        return Empty()

    def delete_job(self, request: pps_pb2.DeleteJobRequest, context: Context) -> Empty:
        """Forget a job."""
        with self.files.transaction() as tx:
            jobs.delete(tx, self.files.objects, self._find_job(tx.connection, request.job))
        return Empty()

    def _find_job(self, connection: Connection, job: pps_pb2.Job) -> JobInfo:
        return jobs.inspect(connection, RepoName(*pipeline_name(job.pipeline)), job.id)

    def _await_end(self, info: JobInfo, context: Context) -> JobInfo:
        """Block until a job has ended; return it as it is then.

        Raises:
            NotFoundError: It was deleted in the meantime.
        """
        now = info

        def ended() -> bool:
            nonlocal now
            with self.files.snapshot() as connection:
                now = jobs.by_key(connection, info.key)
            return now.state.is_terminal

        if not ended():
            waiting.until(self.files.database.news, context, ended)
        return now

    def _message(self, info: JobInfo, context: Context, *, details: bool) -> pps_pb2.JobInfo:
        with self.files.snapshot() as connection:
            return self._in(connection, info, context, details=details)

    def _in(
        self, connection: Connection, info: JobInfo, context: Context, *, details: bool
    ) -> pps_pb2.JobInfo:
        workers = () if info.state.is_terminal else self.scheduler.workers(info.pipeline)
        return Messages(connection, wire.Wire(context)).job(info, workers, details=details)


def _page(newest_first: list[JobInfo], marker: int, number: int, *, reverse: bool) -> list[JobInfo]:
    """Return one page: those before the marker (ns since 1970), or after it in reverse."""
    ordered = newest_first[::-1] if reverse else newest_first
    if marker:
        ordered = [
            info
            for info in ordered
            if (info.created > marker if reverse else info.created < marker)
        ]
    return ordered[:number] if number else ordered
