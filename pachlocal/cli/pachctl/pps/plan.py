"""What a change would let pipelines do: nothing is changed."""

from __future__ import annotations

import json

import click

from pachlocal.cli.pachctl.client.local_service import local_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    CONTEXT_SETTINGS,
    command,
    global_options,
    output_options,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.pfs.sources import STDIN, Item, check, target_of
from pachlocal.cli.pachctl.pfs.upload import Upload
from pachlocal.cli.pachctl.pps.specs import Document, read_specs
from pachlocal.cli.pachctl.printing.plans import print_plan
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.cli.pachctl.references import FILE, FILE_PATH, Reference
from pachlocal.errors import CliError
from pachlocal.proto import local_pb2, pfs_pb2


def _show(response: local_pb2.PlanResponse, project: str, raw: str | None) -> None:
    if raw:
        print_raw([response], raw)
    else:
        print_plan(response, project)


@click.group(
    "plan",
    invoke_without_command=True,
    context_settings=CONTEXT_SETTINGS,
    help="Show which jobs a change would run, without changing anything.\n\n"
    "`pachctl plan -f SPEC` plans creating or updating pipelines, `pachctl plan put file …` and "
    "`pachctl plan delete file …` about files.",
)
@click.option(
    "-f", "--file", "path", metavar="SPEC", help="The specification; - is standard input."
)
@click.option("--reprocess", is_flag=True, help="Process data again that was processed before.")
@project_option
@output_options
@click.pass_context
def plan(
    context: click.Context,
    path: str | None,
    reprocess: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Plan pipelines; the commands below it plan files."""
    if context.invoked_subcommand is not None:
        return
    if path is None:
        raise click.UsageError("Give a specification by -f, or say `put file` or `delete file`.")
    session = context.ensure_object(Session)
    name = session.project(project)
    request = local_pb2.PlanPipelinesRequest(
        pipelines=[
            local_pb2.PlannedPipeline(
                spec_json=_spec_of(document, project, name), update=True, reprocess=reprocess
            )
            for document in read_specs(path)
        ]
    )
    _show(local_of(session).PlanPipelines(request), name, raw)


def _spec_of(document: Document, wanted: str | None, project: str) -> str:
    named = document.request.pipeline.project.name
    if wanted and named and wanted != named:
        raise CliError(f"{document.place}: pipeline.project is {named}, but --project is {wanted}")
    pipeline = {**document.spec["pipeline"], "project": {"name": named or project}}
    return json.dumps({**document.spec, "pipeline": pipeline})


@command("file")
@click.argument("file", type=FILE)
@click.option(
    "-f",
    "--file",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="As in `put file`; so are the other options.",
)
@click.option("-r", "--recursive", is_flag=True, help="Put directories, with everything in them.")
@click.option(
    "-a", "--append", is_flag=True, help="Append to existing files instead of replacing them."
)
@click.option(
    "--full-path", is_flag=True, help="Keep the source's whole path, not only its last part."
)
@project_option
@output_options
@pass_session
def put_file(
    session: Session,
    file: Reference,
    sources: tuple[str, ...],
    recursive: bool,
    append: bool,
    full_path: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Show what would run if files were written."""
    names = list(sources or [STDIN])
    items = []
    for source in names:
        check(source, recursive=recursive)
        alone = len(names) == 1
        target = target_of(source, file.path, recursive=recursive, full_path=full_path, alone=alone)
        items.append(Item(source, target))
    name = session.project(project)
    local = local_of(session)
    with TransferProgress(wanted=False) as meter:
        upload = Upload(file.to_commit(name), items, meter, append=append, recursive=recursive)
        response = upload.send(local.PlanFiles.future)
    _show(response, name, raw)


@command("file")
@click.argument("file", type=FILE_PATH)
@click.option("-r", "--recursive", is_flag=True, help="A directory, with everything in it.")
@project_option
@output_options
@pass_session
def delete_file(
    session: Session, file: Reference, recursive: bool, project: str | None, raw: str | None
) -> None:
    """Show what would run if a file were deleted."""
    name = session.project(project)
    local = local_of(session)
    target = file.to_file(name)
    info = session.server.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=target))
    if info.file_type == pfs_pb2.FileType.DIR and not recursive:
        raise CliError(f"{info.file.path} is a directory: add -r to delete all that is in it")
    request = local_pb2.ModifyFilesRequest()
    request.requests.add().set_commit.CopyFrom(target.commit)
    request.requests.add().delete_file.path = info.file.path
    _show(local.PlanFiles(iter([request])), name, raw)


def _add(verb: str, text: str, noun: click.Command) -> None:
    group = click.Group(verb, help=text, context_settings=CONTEXT_SETTINGS)
    group.params.extend(global_options())
    group.add_command(noun)
    plan.add_command(group)


plan.params.extend(global_options())
_add("put", "Plan to write files.", put_file)
_add("delete", "Plan to delete files.", delete_file)
