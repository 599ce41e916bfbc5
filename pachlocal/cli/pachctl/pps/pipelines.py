"""Commands on pipelines that exist; specification.py makes and changes them."""

from __future__ import annotations

import sys

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    all_projects_option,
    command,
    full_timestamps_option,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.pps.state_options import HISTORY, state_filter
from pachlocal.cli.pachctl.printing.pipelines import FAILED, PipelineTable, print_pipeline
from pachlocal.cli.pachctl.printing.words import print_data, print_raw
from pachlocal.proto import pfs_pb2, pps_pb2


def pipeline_of(name: str, project: str) -> pps_pb2.Pipeline:
    """Make the message that names a pipeline."""
    return pps_pb2.Pipeline(name=name, project=pfs_pb2.Project(name=project))


@command("pipeline")
@click.argument("pipeline", required=False)
@click.option(
    "-s", "--spec", is_flag=True, help="Print specifications that create pipeline accepts."
)
@click.option(
    "-c", "--commit", default="", metavar="ID", help="Show them as they were at this commit."
)
@click.option("--history", type=HISTORY, default=0, help="Include earlier versions: all or N.")
@click.option(
    "--state", "states", multiple=True, metavar="STATE", help="Only pipelines in this state."
)
@all_projects_option
@project_option
@full_timestamps_option
@output_options
@pass_session
def list_pipeline(
    session: Session,
    pipeline: str | None,
    spec: bool,
    commit: str,
    history: int,
    states: tuple[str, ...],
    all_projects: bool,
    project: str | None,
    full_timestamps: bool,
    raw: str | None,
) -> None:
    """List pipelines, with their state and their last job's."""
    name = session.project(project)
    request = pps_pb2.ListPipelineRequest(
        history=history,
        details=True,
        jqFilter=state_filter(states, "PIPELINE_", pps_pb2.PipelineState.keys()),
        commit_set=pfs_pb2.CommitSet(id=commit),
        projects=[] if all_projects else [pfs_pb2.Project(name=name)],
    )
    if pipeline:
        request.pipeline.CopyFrom(pipeline_of(pipeline, name))
    infos = session.server.pps.ListPipeline(request)
    if spec:
        for info in infos:
            _print_spec(info, raw or "json")
        return
    if raw:
        print_raw(infos, raw)
        return
    table = PipelineTable(full_timestamps)
    trouble = False
    for info in infos:
        trouble = trouble or info.state in FAILED
        table.add(info)
    table.flush()
    if trouble:
        sys.stdout.flush()
        print("Something is wrong: see `pachctl inspect pipeline NAME`.", file=sys.stderr)


def _print_spec(info: pps_pb2.PipelineInfo, form: str) -> None:
    import json

    print_data(json.loads(info.user_spec_json or info.effective_spec_json or "{}"), form)


@command("pipeline")
@click.argument("pipeline")
@project_option
@full_timestamps_option
@output_options
@pass_session
def inspect_pipeline(
    session: Session, pipeline: str, project: str | None, full_timestamps: bool, raw: str | None
) -> None:
    """Describe a pipeline; NAME^ is its previous version."""
    request = pps_pb2.InspectPipelineRequest(
        pipeline=pipeline_of(pipeline, session.project(project)), details=True
    )
    info = session.server.pps.InspectPipeline(request)
    if raw:
        print_raw([info], raw)
    else:
        print_pipeline(info, full_timestamps)


@command("pipeline")
@click.argument("pipeline", required=False)
@click.option("--all", "every", is_flag=True, help="All pipelines of the project.")
@click.option("-f", "--force", is_flag=True, help="Delete it even if others read its output.")
@click.option("--keep-repo", is_flag=True, help="Keep the output repo.")
@all_projects_option
@project_option
@pass_session
def delete_pipeline(
    session: Session,
    pipeline: str | None,
    every: bool,
    force: bool,
    keep_repo: bool,
    all_projects: bool,
    project: str | None,
) -> None:
    """Delete a pipeline, with its jobs and its output."""
    if (pipeline is None) != every or (all_projects and not every):
        raise click.UsageError("Name a pipeline, or give --all (with -A, in every project).")
    if pipeline is None:
        many = pps_pb2.DeletePipelinesRequest(all=all_projects, force=force, keep_repo=keep_repo)
        if not all_projects:
            many.projects.add(name=session.project(project))
        session.server.pps.DeletePipelines(many)
        return
    request = pps_pb2.DeletePipelineRequest(
        pipeline=pipeline_of(pipeline, session.project(project)),
        force=force,
        keep_repo=keep_repo,
        must_exist=True,
    )
    session.server.pps.DeletePipeline(request)


@command("pipeline")
@click.argument("pipeline")
@project_option
@pass_session
def start_pipeline(session: Session, pipeline: str, project: str | None) -> None:
    """Start a stopped pipeline again."""
    target = pipeline_of(pipeline, session.project(project))
    session.server.pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=target))


@command("pipeline")
@click.argument("pipeline")
@project_option
@pass_session
def stop_pipeline(session: Session, pipeline: str, project: str | None) -> None:
    """Stop a pipeline: its running job ends, and new data start none."""
    target = pipeline_of(pipeline, session.project(project))
    session.server.pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=target, must_exist=True))


@command("pipeline")
@click.argument("pipeline")
@click.option(
    "--reprocess", is_flag=True, help="Process every datum, including those processed before."
)
@project_option
@pass_session
def rerun_pipeline(session: Session, pipeline: str, reprocess: bool, project: str | None) -> None:
    """Run a pipeline on its current input."""
    target = pipeline_of(pipeline, session.project(project))
    request = pps_pb2.RerunPipelineRequest(pipeline=target, reprocess=reprocess)
    session.server.pps.RerunPipeline(request)


@command("cron")
@click.argument("pipeline")
@project_option
@pass_session
def run_cron(session: Session, pipeline: str, project: str | None) -> None:
    """Trigger a pipeline's cron inputs now."""
    target = pipeline_of(pipeline, session.project(project))
    session.server.pps.RunCron(pps_pb2.RunCronRequest(pipeline=target))
