"""The command that changes a pipeline in an editor."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.pps.pipelines import pipeline_of
from pachlocal.cli.pachctl.pps.specification import reprocess_option, submit
from pachlocal.cli.pachctl.pps.specs import read_specs
from pachlocal.cli.pachctl.printing.words import data_text
from pachlocal.errors import CliError
from pachlocal.proto import pps_pb2


@command("pipeline")
@click.argument("pipeline")
@click.option("--editor", metavar="PROGRAM", help="The editor to use.  [default: $EDITOR]")
@reprocess_option
@project_option
@output_options
@pass_session
@transactional
def edit_pipeline(
    session: Session,
    pipeline: str,
    editor: str | None,
    reprocess: bool,
    project: str | None,
    raw: str | None,
) -> None:
    """Change a pipeline's specification in an editor, as JSON or (-o yaml) YAML.

    A text that is refused is kept in a file.
    """
    request = pps_pb2.InspectPipelineRequest(
        pipeline=pipeline_of(pipeline, session.project(project)), details=True
    )
    info = session.server.pps.InspectPipeline(request)
    old = json.loads(info.user_spec_json or info.effective_spec_json)
    form = raw or "json"
    path = Path(tempfile.mkdtemp(prefix="pachctl-edit-")) / f"{info.pipeline.name}.{form}"
    shown = data_text(old, form)
    path.write_text(shown, encoding="utf-8")
    try:
        _edit(session, path, old, info, editor, reprocess=reprocess)
    except BaseException:  # whatever it was, the user's text is worth more
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != shown:
            again = f"pachctl update pipeline -f {path}" + " --reprocess" * reprocess
            print(f"Your text is kept in {path}: when it is right, {again}", file=sys.stderr)
        else:
            shutil.rmtree(path.parent)
        raise
    shutil.rmtree(path.parent)


def _edit(
    session: Session,
    path: Path,
    old: dict[str, Any],
    info: pps_pb2.PipelineInfo,
    editor: str | None,
    *,
    reprocess: bool,
) -> None:
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
    )
