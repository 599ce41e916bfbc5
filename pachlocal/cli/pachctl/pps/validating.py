"""The command that checks specifications without a server."""

from __future__ import annotations

from pachlocal.cli.pachctl.options import command
from pachlocal.cli.pachctl.pps.specification import file_option
from pachlocal.cli.pachctl.pps.specs import read_specs


@command("pipeline")
@file_option
def validate_pipeline(path: str) -> None:
    """Check the form of specifications; whether repos and images are there is for the server."""
    read_specs(path)
