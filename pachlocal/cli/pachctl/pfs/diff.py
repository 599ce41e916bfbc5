"""diff file: what has changed between two commits."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    command,
    no_full_timestamps_option,
    no_pager_option,
    pass_session,
    project_option,
)
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import paint, size
from pachlocal.cli.pachctl.references import FILE, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2


@command("file")
@click.argument("new", type=FILE)
@click.argument("old", type=FILE, required=False)
@click.option("--name-only", is_flag=True, help="Only print which files differ.")
@click.option("-s", "--shallow", is_flag=True, help="Don't descend into directories.")
@click.option("--old-project", metavar="NAME", help="OLD's project, if it is another one.")
@click.option(
    "--diff-command",
    metavar="PROGRAM",
    help="A program that compares two files, instead of `diff -u`.",
)
@no_pager_option
@no_full_timestamps_option
@project_option
@pass_session
def diff_file(
    session: Session,
    new: Reference,
    old: Reference | None,
    name_only: bool,
    shallow: bool,
    old_project: str | None,
    diff_command: str | None,
    project: str | None,
) -> None:
    """Compare a file or directory with OLD, or if that is omitted with its parent commit's."""
    request = pfs_pb2.DiffFileRequest(new_file=new.to_file(session.project(project)))
    request.shallow = shallow
    if old is not None:
        request.old_file.CopyFrom(old.to_file(session.project(old_project or project)))
    pairs = session.server.pfs.DiffFile(request)
    if not name_only:
        for pair in pairs:
            print_difference(session, pair, shlex.split(diff_command or ""))
        return
    table = Table("OP\tSIZE   \tNAME")
    for pair in pairs:
        for sign, color, there, info in (
            ("+", "green", pair.HasField("new_file"), pair.new_file),
            ("-", "red", pair.HasField("old_file"), pair.old_file),
        ):
            if there:
                table.row(paint(sign, color), size(info.size_bytes), info.file.path, closed=False)
    table.flush()


def print_difference(
    session: Session, pair: pfs_pb2.DiffFileResponse, program: Sequence[str] = ()
) -> None:
    """Print how two versions of a file differ, line by line.

    Args:
        session: The call's session.
        pair: The versions.
        program: What compares two files, with its options; empty for `diff -u`.

    Raises:
        CliError: There is no program that compares.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if pfs_pb2.FileType.FILE not in (pair.old_file.file_type, pair.new_file.file_type):
            return
        sides = []
        for side, info in (("old", pair.old_file), ("new", pair.new_file)):
            path = folder / side
            with path.open("wb") as out:
                if info.file_type == pfs_pb2.FileType.FILE:
                    request = pfs_pb2.GetFileRequest(file=info.file)
                    out.writelines(piece.value for piece in session.server.pfs.GetFile(request))
            sides += ["--label", f"{info.file.path or '/dev/null'} ({side})"]
        words = program or ["diff", "-u", *sides]
        if shutil.which(words[0]) is None:
            raise CliError(f"there is no program `{words[0]}` to compare with: add --name-only")
        sys.stdout.flush()
        command_line = [*words, str(folder / "old"), str(folder / "new")]
        if subprocess.run(command_line, check=False).returncode > 1:  # 1: they differ
            raise CliError(f"{words[0]} failed")
