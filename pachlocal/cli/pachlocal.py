"""The command `pachlocal`: starts and stops the daemon, and says how it is."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import platformdirs

import pachlocal
from pachlocal.cli.transfer.commands import export_command, import_command
from pachlocal.cli.workshop.commands import workshop

DEFAULT_ADDRESS = "127.0.0.1:30650"
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.02
# All that a daemon makes in its root; `reset` removes these and nothing else.
_STORE = ("pach.db", "pach.db-wal", "pach.db-shm", "chunks", "scratch", "daemon.log", "daemon.json")


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that runs, as its note in the store says.

    Attributes:
        pid: Its process.
        address: Where it answers.
        runtime: How it runs commands.
        options: What it was started with.
    """

    pid: int
    address: str
    runtime: str
    options: list[str]


class Failure(click.ClickException):
    """What ends the command: one line on standard error, exit code 1."""

    def show(self, file: object = None) -> None:
        """Print it."""
        click.echo(f"pachlocal: {self.message}", err=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; ends the process."""
    cli.main(args=None if argv is None else list(argv), prog_name="pachlocal")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pachlocal.__version__)
def cli() -> None:
    """Pachyderm for one machine."""


_root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: Path(
        os.environ.get("PACHLOCAL_ROOT") or platformdirs.user_data_dir("pachlocal")
    ),
    show_default="$PACHLOCAL_ROOT, or the user's data folder",
    help="The folder of the store.",
)


_compose_option = click.option(
    "--compose",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The compose.yaml that says which folder an image is built from.  "
    "[default: that of this folder, or of the workshop]",
)


_address_option = click.option(
    "--address",
    default=DEFAULT_ADDRESS,
    envvar="PACHLOCAL_ADDRESS",
    show_default=f"$PACHLOCAL_ADDRESS, or {DEFAULT_ADDRESS}",
    metavar="HOST:PORT",
    help="Where to listen; port 0 is any that is free.",
)


@cli.command()
@_root_option
@_address_option
@click.option(
    "--runtime",
    type=click.Choice(("process", "docker")),
    default="process",
    show_default=True,
    help="Run commands as processes of this machine, or their images in Docker.",
)
@click.option("--foreground", is_flag=True, help="Stay, and log to standard error.")
@_compose_option
@click.option(
    "--share",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="A folder whose files may be put by file: URL. May be given repeatedly.",
)
@click.option("--no-warm", is_flag=True, help="Start a Python script's interpreter for each datum.")
def up(
    root: Path,
    address: str,
    runtime: str,
    foreground: bool,
    compose: Path | None,
    share: tuple[Path, ...],
    no_warm: bool,
) -> None:
    """Start the daemon; return when it answers.

    Example: pachlocal up --root /tmp/store --address 127.0.0.1:0
    """
    running = find_daemon(root)
    if running is not None:
        raise Failure(f"already running at {running.address} on {root} (process {running.pid})")
    options = ["--address", address.removeprefix("grpc://"), "--runtime", runtime]
    compose = compose or _default_compose()
    if compose is not None:
        options += ["--compose", str(compose.absolute())]
    for folder in share:
        options += ["--share", str(folder.absolute())]
    options += ["--no-warm"] * no_warm
    command = _daemon_command(root, options)
    if foreground:
        os.execv(command[0], command)  # noqa: S606 - this very interpreter
    found = _start(root, command)
    click.echo(f"pachlocal is up at {found}, its store is {root}")
    if found != f"grpc://{DEFAULT_ADDRESS}":
        click.echo(f"clients find it with: export PACHD_ADDRESS={found}")


@cli.command()
@_root_option
def down(root: Path) -> None:
    """Stop the daemon; what is stored stays.

    Example: pachlocal down
    """
    running = find_daemon(root)
    if running is None:
        raise Failure(f"not running on {root}")
    _stop(root, running)
    click.echo("pachlocal is down")


@cli.command()
@_root_option
def status(root: Path) -> None:
    """Say whether the daemon runs, where, how, and what its workers do.

    Example: pachlocal status
    """
    running = _running(root)
    click.echo(f"address  {running.address}")
    click.echo(f"process  {running.pid}")
    click.echo(f"store    {root}")
    click.echo(f"runtime  {running.runtime}")
    from pachlocal.cli.worker_table import show  # gRPC takes a while to load

    show(running.address)


@cli.command()
@_root_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
def reset(root: Path, yes: bool) -> None:
    """Delete all that is stored; a daemon that runs is started anew.

    Example: pachlocal reset --yes
    """
    running = find_daemon(root)
    if running is None and not (root / "pach.db").exists():
        raise Failure(f"there is no store in {root}")
    if not yes:
        click.confirm(f"Delete all repos, commits and pipelines in {root}?", abort=True)
    if running is not None:
        _stop(root, running)
    for name in _STORE:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    click.echo(f"all that was stored in {root} is gone")
    if running is not None:
        found = _start(root, _daemon_command(root, running.options))
        click.echo(f"pachlocal is up at {found}")


@cli.command()
@_root_option
def fsck(root: Path) -> None:
    """Read all that is stored, and print what is damaged; exit code 1 if anything is.

    Example: pachlocal fsck
    """
    running = _running(root)
    from pachlocal.cli.upkeep import check  # gRPC takes a while to load

    if not check(running.address):
        raise click.exceptions.Exit(1)


@cli.command()
@_root_option
@click.option("--dry-run", is_flag=True, help="Only say how much that would be.")
def gc(root: Path, dry_run: bool) -> None:
    """Free the space of files that no commit has any more.

    Example: pachlocal gc --dry-run
    """
    running = _running(root)
    from pachlocal.cli.upkeep import collect  # gRPC takes a while to load

    collect(running.address, dry_run=dry_run)


@cli.command()
@_root_option
@_address_option
@_compose_option
def doctor(root: Path, address: str, compose: Path | None) -> None:
    """Say what this machine has for the workshop and what it lacks, with the cure.

    Ends with exit code 1 if the Python workshop can't run.

    Example: pachlocal doctor
    """
    from pachlocal.cli.doctor import examine

    try:
        running = find_daemon(root)
    except Failure:
        running = None  # what is wrong with the folder is said below
    holder = running.address if running else None
    if not examine(root, address.removeprefix("grpc://"), compose or _default_compose(), holder):
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("capsule", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--shell", is_flag=True, help="Open a shell in its place instead of running it.")
@click.option("--keep", is_flag=True, help="Keep what it saw and wrote, and say where.")
@_compose_option
def replay(capsule: Path, shell: bool, keep: bool, compose: Path | None) -> None:
    """Run a datum again that `pachctl debug datum` has packed; no daemon is needed.

    This runs the command that the file holds: replay only what you trust.

    Example: pachlocal replay inference-8d1f5a.tar.gz
    """
    options = ["--shell"] * shell + ["--keep"] * keep
    compose = compose or _default_compose()
    if compose is not None:
        options += ["--compose", str(compose.absolute())]
    command = [sys.executable, "-m", "pachlocal.replay", str(capsule.absolute()), *options]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter


@cli.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--modernize", is_flag=True, help="Print them in the form of 2.x instead.")
def lint(specs: tuple[str, ...], modernize: bool) -> None:
    """Say whether Pachyderm 2.12 would take specifications, and what has no effect here.

    Forms of 1.x, which pachctl here converts, are named too. No daemon is needed.

    Example: pachlocal lint python_train.json
    """
    options = ["--modernize"] * modernize
    command = [sys.executable, "-m", "pachlocal.lint", *options, "--", *specs]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter


cli.add_command(export_command)
cli.add_command(import_command)
cli.add_command(workshop)


def _running(root: Path) -> Daemon:
    running = find_daemon(root)
    if running is None:
        raise Failure(f"not running on {root}; start it with: pachlocal up")
    return running


def find_daemon(root: Path) -> Daemon | None:
    """Return the daemon that has a store, or None."""
    if not _is_locked(root):
        return None
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while time.monotonic() < deadline:  # it may be starting or stopping
        try:
            note = json.loads((root / "daemon.json").read_text())
            return Daemon(note["pid"], note["address"], note["runtime"], note["options"])
        except FileNotFoundError:
            if not _is_locked(root):
                return None
            time.sleep(_POLL_S)
    raise Failure(f"a daemon has {root} and doesn't say where it is; see {root / 'daemon.log'}")


def _is_locked(root: Path) -> bool:
    try:
        with (root / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise Failure(f"{root} can't be looked at: {error.strerror}") from None
    return False


def _daemon_command(root: Path, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pachlocal.daemon", "--root", str(root.absolute()), *options]


def _default_compose() -> Path | None:
    """Return the compose.yaml of this folder, or that of the workshop that pachlocal lies in."""
    checkout = Path(pachlocal.__file__).parent.parent
    for folder in (Path.cwd(), checkout):
        if (folder / "compose.yaml").is_file():
            return folder / "compose.yaml"
    return None


def _start(root: Path, command: list[str]) -> str:
    """Start the daemon apart from this process; return its address when it answers."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        log = (root / "daemon.log").open("a")
    except OSError as error:
        raise Failure(f"{root} can't hold a store: {error.strerror}") from None
    reader, writer = os.pipe()
    with log, os.fdopen(reader) as report:
        process = subprocess.Popen(
            [*command, "--report-fd", str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        try:
            text = report.read()
        except KeyboardInterrupt:
            process.kill()  # it has a session of its own: Ctrl-C has not reached it
            process.wait()
            raise
    if not text:
        code = process.wait()
        raise Failure(f"the daemon ended with exit code {code}; see {root / 'daemon.log'}")
    message: dict[str, str] = json.loads(text)
    if "error" in message:
        process.wait()
        raise Failure(message["error"])
    process.returncode = 0  # it is on its own now
    return message["address"]


def _stop(root: Path, running: Daemon) -> None:
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while _is_locked(root):
        if time.monotonic() > deadline:
            raise Failure(f"process {running.pid} does not stop; see {root / 'daemon.log'}")
        time.sleep(_POLL_S)
