"""`pachlocal doctor`: what this machine has and what it lacks, with the cure.

For the workshop, or for the pipelines of the folder in which it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import click

from pachlocal.cli.pachlocal.doctor.address import check_address, check_client
from pachlocal.cli.pachlocal.doctor.finding import Finding, Verdict
from pachlocal.cli.pachlocal.doctor.machine import (
    check_disk,
    check_interpreter,
    check_stages,
    check_store,
    check_workshop,
)
from pachlocal.cli.pachlocal.doctor.programs import check_docker, check_julia, check_paths, check_r
from pachlocal.cli.pachlocal.doctor.project import check_project, is_project

_Check: TypeAlias = "Callable[[], Finding | list[Finding]]"

_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NOTE: "yellow"}


def examine(root: Path, address: str, compose: Path | None, holder: str | None) -> bool:
    """Print a line for each finding; tell whether the workshop, or a project of one's own, can run.

    Args:
        root: The folder of the store.
        address: Where the daemon is to listen, HOST:PORT.
        compose: The compose.yaml that was found, of a project or of the workshop, if there is one.
        holder: The address of the daemon that has the store, if one does.
    """
    place: tuple[_Check, ...] = (
        lambda: check_store(root),
        lambda: check_disk(root),
        lambda: check_address(address, holder, root),
        lambda: check_client(address, holder),
        check_paths,
    )
    if compose is not None and is_project(compose):
        project = compose
        what = "What is in this folder"
        before: tuple[_Check, ...] = (check_interpreter, lambda: check_project(project))
        after: tuple[_Check, ...] = (check_docker,)
    else:
        what = "The Python workshop"
        before = (
            check_interpreter,
            lambda: check_workshop(compose),
            lambda: check_stages(compose),
        )
        after = (check_r, lambda: check_julia(compose), check_docker)
    sound = True
    with ThreadPoolExecutor() as pool:  # most of them wait for a program
        for future in [pool.submit(check) for check in (*before, *place, *after)]:
            found = future.result()
            for finding in [found] if isinstance(found, Finding) else found:
                _show(finding)
                sound = sound and finding.verdict is not Verdict.FAIL
    click.echo(f"{what} {'can' if sound else 'can not'} run here.")
    return sound


def _show(finding: Finding) -> None:
    mark = click.style(finding.verdict.value, fg=_COLOURS[finding.verdict])
    click.echo(f"{mark}  {finding.subject:<8}  {finding.text}")
    if finding.cure:
        click.echo(f"                → {finding.cure}")
