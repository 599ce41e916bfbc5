"""Commands that make and change pipelines by their specifications."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import click
import grpc

from pachlocal.cli.pachctl.client.failures import explain_refusal, status_of
from pachlocal.cli.pachctl.client.local_service import remarks_on
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    F,
    command,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.pps.pipelines import pipeline_of
from pachlocal.cli.pachctl.pps.specs import Document, to_request
from pachlocal.cli.pachctl.pps.templates import read_or_render, template_options
from pachlocal.cli.pachctl.printing.words import print_data
from pachlocal.errors import CliError
from pachlocal.proto import local_pb2, pps_pb2
from pachlocal.untrusted import printable

file_option = click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(),
    default="-",
    metavar="SPEC",
    help="The specification, JSON or YAML, a file or URL; - or nothing is standard input.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Check it, and change nothing.")
reprocess_option = click.option(
    "--reprocess", is_flag=True, help="Process data again that was processed before."
)


def _refuse_to_push(_context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        raise click.UsageError("Push the image yourself, by docker push, before.")


def push_options(function: F) -> F:
    """Take the options by which Pachyderm's own pachctl pushes images; the first is refused."""
    for option in (
        click.option(
            "-p",
            "--push-images",
            is_flag=True,
            hidden=True,
            expose_value=False,
            callback=_refuse_to_push,
        ),
        click.option("-r", "--registry", hidden=True, expose_value=False),
        click.option("-u", "--username", hidden=True, expose_value=False),
    ):
        function = option(function)
    return function


_DEFAULT_IMAGE = "ubuntu:20.04"  # Pachyderm's own, when nobody has said which


@command("pipeline")
@file_option
@template_options
@push_options
@dry_run_option
@project_option
@output_options
@pass_session
@transactional
def create_pipeline(
    session: Session,
    path: str,
    jsonnet: str | None,
    arguments: tuple[str, ...],
    dry_run: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Create the pipelines that a file, or a jsonnet template, specifies."""
    for document in read_or_render(session, path, jsonnet, arguments):
        submit(session, document, project, update=False, reprocess=False, dry_run=dry_run, raw=raw)


@command("pipeline")
@file_option
@template_options
@push_options
@reprocess_option
@dry_run_option
@project_option
@output_options
@pass_session
@transactional
def update_pipeline(
    session: Session,
    path: str,
    jsonnet: str | None,
    arguments: tuple[str, ...],
    reprocess: bool,
    dry_run: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Update pipelines to what a file, or a jsonnet template, specifies."""
    for document in read_or_render(session, path, jsonnet, arguments):
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
        reprocess: Process data again that was processed before.
        dry_run: Only print what it would be.
        raw: The format of that.

    Raises:
        CliError: The specification is of another project, or the server refuses it.
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
    answer, remarks = send(session, request)
    effective = answer.effective_create_pipeline_request_json
    doubts = _doubts(document, to_request(json.loads(effective))) if effective else ()
    for remark in (*doubts, *remarks):
        _note(remark)
    if dry_run:
        print_data(json.loads(effective), raw or "json")
    if changed:
        _note(
            f"note: {pipeline['name']} runs other code now, but data that it has processed before "
            "is not processed again; --reprocess does that"
        )


def send(
    session: Session, request: pps_pb2.CreatePipelineV2Request
) -> tuple[pps_pb2.CreatePipelineV2Response, list[str]]:
    """Create or update a pipeline.

    Args:
        session: The call's session.
        request: What is asked for.

    Returns:
        The answer, and what the user should know of it, a line each.

    Raises:
        CliError: The server refuses it.
        grpc.RpcError: The server doesn't answer.
    """
    planned = local_pb2.PlannedPipeline(
        spec_json=request.create_pipeline_request_json,
        update=request.update,
        reprocess=request.reprocess,
    )
    try:
        remarks = remarks_on(session, planned)
        return session.server.pps.CreatePipelineV2(request), remarks
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.UNAVAILABLE:
            raise
        raise CliError(explain_refusal(error, session)) from None


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


def _doubts(document: Document, complete: pps_pb2.CreatePipelineRequest) -> Iterator[str]:
    """Yield what makes a specification of no use that the server has taken."""
    image = complete.transform.image
    if not document.request.transform.image and image == _DEFAULT_IMAGE:
        yield f"warning: transform.image is missing, so that {image} runs its commands"
    if not complete.transform.cmd:
        yield "warning: transform.cmd is missing, so that the pipeline fails"
    if not (complete.HasField("input") or complete.HasField("spout")):
        yield "warning: input is missing, so that there is nothing to work on"


def _warn_about_image(document: Document) -> None:
    image = document.request.transform.image
    tag = image.rpartition("/")[2].partition(":")[2]
    if image and "@" not in image and tag in ("", "latest"):
        _note(
            f'WARNING: image "{image}" may change without notice: '
            "name a tag such as :1.0 instead, so that results can be reproduced"
        )


def _note(line: str) -> None:
    print(printable(line), file=sys.stderr)
