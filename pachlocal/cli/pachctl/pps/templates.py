"""Specifications that a jsonnet template makes; the server renders it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pachlocal.cli.pachctl.client.local_files import STDIN, name_of, read_text_at
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import F
from pachlocal.cli.pachctl.pps.specs import (
    Document,
    MalformedSpecError,
    parse_specs,
    read_specs,
)
from pachlocal.errors import CliError
from pachlocal.proto import pps_pb2


def template_options(wrapped: F) -> F:
    """Add the options that say a template."""
    for option in (
        click.option(
            "--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="For --jsonnet."
        ),
        click.option("--jsonnet", metavar="TEMPLATE", help="Make the specification by jsonnet."),
    ):
        wrapped = option(wrapped)
    return wrapped


def read_or_render(
    session: Session, path: str, jsonnet: str | None, arguments: Sequence[str]
) -> list[Document]:
    """Return the specifications of a file, or of a template.

    Args:
        session: The call's session.
        path: The file; - is standard input.
        jsonnet: The file of the template instead, if any.
        arguments: What the template is called with, NAME=VALUE.

    Raises:
        CliError: It can't be read, or something in it is wrong.
        click.UsageError: The options don't go together.
    """
    if jsonnet is None:
        if arguments:
            raise click.UsageError("--arg needs --jsonnet.")
        try:
            return read_specs(path)
        except MalformedSpecError as error:
            raise CliError(f"malformed pipeline spec: {error}") from None  # scripts look for it
    if path != STDIN:
        raise click.UsageError("--file and --jsonnet exclude each other.")
    request = pps_pb2.RenderTemplateRequest(template=read_text_at(jsonnet))
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not separator:
            raise click.UsageError(f'--arg {argument}: it must have the form "NAME=VALUE".')
        request.args[name] = value
    rendered = session.server.pps.RenderTemplate(request)
    return parse_specs(rendered.json, name_of(jsonnet))
