"""Commands on pipelines, as in 1.4."""

from __future__ import annotations

from collections import Counter

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import pass_session, transactional
from pachlocal.cli.pachctl.pps.pipelines import pipeline_of
from pachlocal.cli.pachctl.pps.specification import file_option, reprocess_option, submit
from pachlocal.cli.pachctl.pps.specs import read_specs
from pachlocal.cli.pachctl.printing.jobs import print_egress, workers_wanted
from pachlocal.cli.pachctl.printing.pipelines import input_in_short, pipeline_state
from pachlocal.cli.pachctl.printing.words import paint, plain_json, print_raw
from pachlocal.cli.pachctl.v14.jobs import state_name
from pachlocal.cli.pachctl.v14.options import old_command, raw_option
from pachlocal.cli.pachctl.v14.printing import ago, table
from pachlocal.proto import pfs_pb2, pps_pb2


@old_command("create-pipeline")
@file_option
@pass_session
@transactional
def create_pipeline(session: Session, path: str) -> None:
    """Create the pipelines that a file specifies."""
    for document in read_specs(path):
        submit(session, document, None, update=False, reprocess=False)


@old_command("update-pipeline")
@file_option
@reprocess_option
@pass_session
@transactional
def update_pipeline(session: Session, path: str, reprocess: bool) -> None:
    """Update pipelines to what a file specifies."""
    for document in read_specs(path):
        submit(session, document, None, update=True, reprocess=reprocess)


@old_command("list-pipeline")
@raw_option
@pass_session
def list_pipeline(session: Session, raw: bool) -> None:
    """List pipelines."""
    request = pps_pb2.ListPipelineRequest(details=True, commit_set=pfs_pb2.CommitSet())
    request.projects.add(name=session.project())
    infos = session.server.pps.ListPipeline(request)
    if raw:
        print_raw(infos, "json")
        return
    rows = table("NAME\tINPUT\tOUTPUT\tCREATED\tSTATE\t")
    for info in infos:
        rows.row(
            info.pipeline.name,
            input_in_short(info.details.input, projects=False),
            f"{info.pipeline.name}/{info.details.output_branch}",
            ago(info.details, "created_at"),
            _state(info),
        )
    rows.flush()


def _state(info: pps_pb2.PipelineInfo) -> str:
    if info.state == pps_pb2.PIPELINE_PAUSED:
        return paint("stopped", "yellow")
    return pipeline_state(info.state)


@old_command("inspect-pipeline")
@click.argument("pipeline")
@raw_option
@pass_session
def inspect_pipeline(session: Session, pipeline: str, raw: bool) -> None:
    """Describe a pipeline."""
    target = pipeline_of(pipeline, session.project())
    request = pps_pb2.InspectPipelineRequest(pipeline=target, details=True)
    info = session.server.pps.InspectPipeline(request)
    if raw:
        print_raw([info], "json")
        return
    details = info.details
    print(f"Name: {info.pipeline.name}")
    if details.description:
        print(f"Description: {details.description}")
    print(f"Created: {ago(details, 'created_at')}")
    print(f"State: {_state(info)}")
    print(f"Parallelism Spec: {workers_wanted(details.parallelism_spec)}")
    print(f"Input: {plain_json(details.input) if details.HasField('input') else ''}")
    print(f"Output Branch: {details.output_branch}")
    print(f"Transform: {plain_json(details.transform)}")
    print_egress(details)
    if details.recent_error:
        print(f"Recent Error: {details.recent_error}")
    jobs = session.server.pps.ListJob(pps_pb2.ListJobRequest(pipeline=target, history=-1))
    counts = Counter(state_name(job.state) for job in jobs)
    print("Job Counts:")
    for state, count in counts.items():
        print(f"  {state}: {count}")


@old_command("delete-pipeline")
@click.argument("pipeline", required=False)
@click.option("--all", "every", is_flag=True, help="All pipelines.")
@click.option("--delete-repo", is_flag=True, help="Delete the output, too.")
# Jobs go with their pipeline in any case.
@click.option("--delete-jobs", is_flag=True, hidden=True, expose_value=False)
@pass_session
def delete_pipeline(session: Session, pipeline: str | None, every: bool, delete_repo: bool) -> None:
    """Delete a pipeline with its jobs; without --delete-repo its output stays."""
    if (pipeline is None) != every:
        raise click.UsageError("Name a pipeline, or give --all.")
    if pipeline is None:
        many = pps_pb2.DeletePipelinesRequest(keep_repo=not delete_repo)
        many.projects.add(name=session.project())
        session.server.pps.DeletePipelines(many)
        return
    request = pps_pb2.DeletePipelineRequest(
        pipeline=pipeline_of(pipeline, session.project()),
        keep_repo=not delete_repo,
        must_exist=True,
    )
    session.server.pps.DeletePipeline(request)


@old_command("start-pipeline")
@click.argument("pipeline")
@pass_session
def start_pipeline(session: Session, pipeline: str) -> None:
    """Start a stopped pipeline again."""
    target = pipeline_of(pipeline, session.project())
    session.server.pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=target))


@old_command("stop-pipeline")
@click.argument("pipeline")
@pass_session
def stop_pipeline(session: Session, pipeline: str) -> None:
    """Stop a pipeline: new data start no jobs."""
    target = pipeline_of(pipeline, session.project())
    session.server.pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=target, must_exist=True))


@old_command("run-pipeline")
@click.argument("pipeline")
@pass_session
def run_pipeline(session: Session, pipeline: str) -> None:
    """Run a pipeline on its current input, and print the job's ID."""
    target = pipeline_of(pipeline, session.project())
    session.server.pps.RerunPipeline(pps_pb2.RerunPipelineRequest(pipeline=target))
    jobs = session.server.pps.ListJob(pps_pb2.ListJobRequest(pipeline=target, number=1))
    for job in jobs:
        print(job.job.id)
        break
