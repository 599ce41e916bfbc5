"""Commands on the defaults that specifications are merged into."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import click

from pachlocal.cli.pachctl.client.local_files import STDIN, name_of, read_text
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import F, command, output_options, pass_session
from pachlocal.cli.pachctl.pps.spec_check import check
from pachlocal.cli.pachctl.pps.specs import plain_documents
from pachlocal.cli.pachctl.printing.words import print_raw
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2

_NONE = "{}"


def _whose(wrapped: F) -> F:
    options: list[Callable[[Any], Any]] = [
        click.option("--cluster", is_flag=True, help="Those of all pipelines."),
        click.option("--project", metavar="NAME", help="Those of a project's pipelines."),
    ]

    @functools.wraps(wrapped)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if kwargs["cluster"] == bool(kwargs["project"]):
            raise click.UsageError("Say either --cluster or --project PROJECT.")
        return wrapped(*args, **kwargs)

    found: F = _with(options, checked)
    return found


def _setting(wrapped: F) -> F:
    options = [
        click.option("--regenerate", is_flag=True, help="Bring the specs of pipelines up to date."),
        click.option(
            "--reprocess", is_flag=True, help="The same, and do all datums of these again."
        ),
        click.option("--dry-run", is_flag=True, help="Only print which pipelines would change."),
    ]
    found: F = _with(options, wrapped)
    return found


def _with(options: list[Callable[[Any], Any]], wrapped: Any) -> Any:
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


_file_option = click.option(
    "-f", "--file", default=STDIN, metavar="FILE", help="JSON or YAML; - is stdin, and the default."
)


@command("defaults")
@_whose
@output_options
@pass_session
def inspect_defaults(session: Session, cluster: bool, project: str, raw: str | None) -> None:
    """Print the defaults of pipeline specifications, as they were set."""
    if cluster:
        answer = session.server.pps.GetClusterDefaults(pps_pb2.GetClusterDefaultsRequest())
        if raw:
            print_raw([answer], raw)
        else:
            print(answer.cluster_defaults_json)
        return
    of_project = session.server.pps.GetProjectDefaults(
        pps_pb2.GetProjectDefaultsRequest(project=pfs_pb2.Project(name=project))
    )
    if raw:
        print_raw([of_project], raw)
    else:
        print(of_project.project_defaults_json)


@command("defaults")
@_whose
@_file_option
@_setting
@pass_session
def set_defaults(
    session: Session,
    cluster: bool,
    project: str,
    file: str,
    regenerate: bool,
    reprocess: bool,
    dry_run: bool,
) -> None:
    """Set the defaults of pipeline specifications, replacing earlier ones."""
    _set(session, project, _read(file), regenerate, reprocess, dry_run)


@command("defaults")
@_whose
@_setting
@pass_session
def delete_defaults(
    session: Session,
    cluster: bool,
    project: str,
    regenerate: bool,
    reprocess: bool,
    dry_run: bool,
) -> None:
    """Delete the defaults of pipeline specifications, except Pachyderm's own."""
    _set(session, project, _NONE, regenerate, reprocess, dry_run)


def _read(path: str) -> str:
    """Return the JSON of defaults.

    Raises:
        CliError: It can't be read, or something in it is wrong.
    """
    name = name_of(path)
    documents = list(plain_documents(read_text(path), name))
    if len(documents) != 1:
        raise CliError(f"{name}: expected one object, not {len(documents)}")
    check(documents[0], pps_pb2.ClusterDefaults.DESCRIPTOR, name)
    return json.dumps(documents[0], separators=(",", ":"), ensure_ascii=False)


def _set(
    session: Session, project: str, text: str, regenerate: bool, reprocess: bool, dry_run: bool
) -> None:
    regenerate = regenerate or reprocess
    if project:
        affected = session.server.pps.SetProjectDefaults(
            pps_pb2.SetProjectDefaultsRequest(
                project=pfs_pb2.Project(name=project),
                project_defaults_json=text,
                regenerate=regenerate,
                reprocess=reprocess,
                dry_run=dry_run,
            )
        ).affected_pipelines
    else:
        affected = session.server.pps.SetClusterDefaults(
            pps_pb2.SetClusterDefaultsRequest(
                cluster_defaults_json=text,
                regenerate=regenerate,
                reprocess=reprocess,
                dry_run=dry_run,
            )
        ).affected_pipelines
    if regenerate:
        print("affected pipelines:" if affected else "no affected pipelines")
        for pipeline in affected:
            print(f"\t {pipeline.project.name}/{pipeline.name}")
