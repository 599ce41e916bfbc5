"""`pachlocal doctor`: what this machine has for the workshop and what it lacks, with the cure."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from pachlocal.cli.doctor.address import check_address, check_client
from pachlocal.cli.doctor.finding import Finding, Verdict
from pachlocal.cli.doctor.machine import check_disk, check_python, check_store, check_workshop
from pachlocal.cli.doctor.programs import check_docker, check_julia, check_paths, check_r

_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NOTE: "yellow"}


def examine(root: Path, address: str, compose: Path | None, holder: str | None) -> bool:
    """Print a line for each finding; tell whether the Python workshop can run.

    Args:
        root: The folder of the store.
        address: Where the daemon is to listen, HOST:PORT.
        compose: The workshop's compose.yaml, if one was found.
        holder: The address of the daemon that has the store, if one does.
    """
    checks: tuple[Callable[[], Finding], ...] = (
        check_python,
        lambda: check_workshop(compose),
        lambda: check_store(root),
        lambda: check_disk(root),
        lambda: check_address(address, holder),
        lambda: check_client(address, holder),
        check_paths,
        check_r,
        check_julia,
        check_docker,
    )
    sound = True
    with ThreadPoolExecutor() as pool:  # most of them wait for a program
        for future in [pool.submit(check) for check in checks]:
            finding = future.result()
            _show(finding)
            sound = sound and finding.verdict is not Verdict.FAIL
    click.echo(f"The Python workshop {'can' if sound else 'can not'} run here.")
    return sound


def _show(finding: Finding) -> None:
    mark = click.style(finding.verdict.value, fg=_COLOURS[finding.verdict])
    click.echo(f"{mark}  {finding.subject:<8}  {finding.text}")
    if finding.cure:
        click.echo(f"                → {finding.cure}")
