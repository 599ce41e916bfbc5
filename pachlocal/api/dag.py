"""Calls of pachlocal.v1.Local about the DAG as a whole."""

from __future__ import annotations

from pachlocal.api import callers, wire
from pachlocal.api.pps.messages import pipeline_message
from pachlocal.api.service import Context
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos
from pachlocal.pps.tables import dag
from pachlocal.pps.tables.dag import DagPipeline, NewestJob
from pachlocal.proto import local_pb2, pps_pb2


class DagCalls:
    """pachlocal.v1.Local: the DAG."""

    files: FileSystem

    def inspect_dag(self, request: local_pb2.InspectDagRequest, context: Context) -> local_pb2.Dag:
        """Return the DAG of a project."""
        name = wire.project_name(request.project)
        check = callers.check(context)
        answer = local_pb2.Dag()
        with self.files.snapshot() as connection:
            repos.inspect_project(connection, name)
            answer.repos.extend(map(wire.repo_info, dag.sources(connection, name)))
            for info in dag.pipelines(connection, name):
                check()
                answer.pipelines.append(_pipeline(info))
        return answer


def _pipeline(info: DagPipeline) -> local_pb2.DagPipeline:
    return local_pb2.DagPipeline(
        pipeline=pipeline_message(info.repo),
        state=pps_pb2.PipelineState.ValueType(info.state),
        reason=info.reason,
        inputs=[local_pb2.DagRepo(project=repo.project, name=repo.name) for repo in info.inputs],
        newest_job=_job(info.newest) if info.newest else None,
    )


def _job(job: NewestJob) -> local_pb2.DagJob:
    return local_pb2.DagJob(
        id=job.id,
        state=pps_pb2.JobState.ValueType(job.state),
        reason=job.reason,
        created=wire.timestamp(job.created),
        finished=wire.timestamp(job.finished),
        total=job.total,
        done=job.done,
        failed=job.failed,
    )
