"""Commands that make and change pipelines by their specifications."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import grpc

from pachlocal.cli.pachctl.connection import status_of
from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.options import (
    command,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.pipelines import pipeline_of
from pachlocal.cli.pachctl.printing import print_data
from pachlocal.cli.pachctl.session import Session
from pachlocal.cli.pachctl.specs import Document, read_specs
from pachlocal.proto import pps_pb2

file_option = click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(),
    default="-",
    metavar="SPEC",
    help="The specification, JSON or YAML; - or nothing is standard input.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Check it, and change nothing.")
reprocess_option = click.option(
    "--reprocess", is_flag=True, help="Do the work on data that was processed before again."
)


@command("pipeline")
@file_option
@dry_run_option
@project_option
@output_options
@pass_session
@transactional
def create_pipeline(
    session: Session, path: str, dry_run: bool, project: str | None, raw: str | None
) -> None:
    """Make the pipelines that a file specifies."""
    for document in read_specs(path):
        submit(session, document, project, update=False, reprocess=False, dry_run=dry_run, raw=raw)


@command("pipeline")
@file_option
@reprocess_option
@dry_run_option
@project_option
@output_options
@pass_session
@transactional
def update_pipeline(
    session: Session,
    path: str,
    reprocess: bool,
    dry_run: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Change pipelines to what a file specifies."""
    for document in read_specs(path):
        submit(
            session, document, project, update=True, reprocess=reprocess, dry_run=dry_run, raw=raw
        )


def submit(
    session: Session,
    document: Document,
    project: str | None,
    *,
    update: bool,
    reprocess: bool,
    dry_run: bool = False,
    raw: str | None = None,
) -> None:
    """Send a specification to the server.

    Args:
        session: The call's session.
        document: The specification.
        project: What --project says.
        update: Change the pipeline instead of making it.
        reprocess: Do the work on data that was processed before again.
        dry_run: Only print what it would be.
        raw: The format of that.

    Raises:
        CliError: The specification is of another project.
    """
    pipeline = dict(document.spec["pipeline"])
    named = document.request.pipeline.project.name
    if project and named and project != named:
        raise CliError(f"{document.place}: pipeline.project is {named}, but --project is {project}")
    name = named or session.project(project)
    pipeline["project"] = {"name": name}
    spec = {**document.spec, "pipeline": pipeline}
    update = update or document.request.update
    reprocess = reprocess or document.request.reprocess
    dry_run = dry_run or document.request.dry_run
    _warn_about_image(document)
    for note in document.notes:
        _note(f"note: {document.place}: {note}; `pachlocal lint --modernize` rewrites it")
    changed = update and not reprocess and not dry_run and _changes_code(session, document, name)
    request = pps_pb2.CreatePipelineV2Request(
        create_pipeline_request_json=json.dumps(spec),
        update=update,
        reprocess=reprocess,
        dry_run=dry_run,
    )
    answer = session.server.pps.CreatePipelineV2(request)
    if dry_run:
        print_data(json.loads(answer.effective_create_pipeline_request_json), raw or "json")
    if changed:
        _note(
            f"note: {pipeline['name']} runs other code now, but data that it has processed before "
            "is not processed again; --reprocess does that"
        )


def _changes_code(session: Session, document: Document, project: str) -> bool:
    pipeline = pipeline_of(document.request.pipeline.name, project)
    request = pps_pb2.InspectPipelineRequest(pipeline=pipeline, details=True)
    try:
        info = session.server.pps.InspectPipeline(request)
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.NOT_FOUND:
            return False  # an update that creates
        raise
    old, new = info.details.transform, document.request.transform
    image = new.image or old.image  # the server fills in a default
    return (old.image, *old.cmd, "", *old.stdin) != (image, *new.cmd, "", *new.stdin)


def _warn_about_image(document: Document) -> None:
    image = document.request.transform.image
    tag = image.rpartition("/")[2].partition(":")[2]
    if image and "@" not in image and tag in ("", "latest"):
        _note(
            f'warning: image "{image}" may change without notice: '
            "name a tag such as :1.0 instead, so that results can be reproduced"
        )


def _note(line: str) -> None:
    print(line, file=sys.stderr)


@command("pipeline")
@click.argument("pipeline")
@click.option("--editor", metavar="PROGRAM", help="Instead of the one that EDITOR names.")
@reprocess_option
@project_option
@pass_session
@transactional
def edit_pipeline(
    session: Session, pipeline: str, editor: str | None, reprocess: bool, project: str | None
) -> None:
    """Change a pipeline's specification in an editor."""
    request = pps_pb2.InspectPipelineRequest(
        pipeline=pipeline_of(pipeline, session.project(project)), details=True
    )
    info = session.server.pps.InspectPipeline(request)
    old = json.loads(info.user_spec_json or info.effective_spec_json)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{pipeline}.json"
        path.write_text(json.dumps(old, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        program = shlex.split(editor or os.environ.get("EDITOR") or "vi")
        if subprocess.run([*program, str(path)], check=False).returncode:
            raise CliError(f"{program[0]} failed, so nothing was changed")
        documents = read_specs(str(path))
    if len(documents) != 1 or documents[0].request.pipeline.name != info.pipeline.name:
        raise CliError("the pipeline can't get another name by editing; nothing was changed")
    if documents[0].spec == old:
        print("Nothing was changed.")
        return
    submit(
        session,
        documents[0],
        info.pipeline.project.name,
        update=True,
        reprocess=reprocess,
        dry_run=False,
        raw=None,
    )
