"""The commands that start and stop the daemon, and show its state."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from pachlocal import contexts
from pachlocal.cli.pachlocal import context
from pachlocal.cli.pachlocal.console import beside
from pachlocal.cli.pachlocal.console.listening import PORT
from pachlocal.cli.pachlocal.daemon import (
    Failure,
    daemon_command,
    find_daemon,
    running_daemon,
    start,
    stop,
)
from pachlocal.cli.pachlocal.options import (
    DEFAULT_ADDRESS,
    address_option,
    at,
    known_composes,
    root_option,
)
from pachlocal.cli.pachlocal.sizes import SIZE

_FOLLOW_S = 0.2  # how often a growing log is read


@click.command()
@root_option
@address_option
@click.option(
    "--runtime",
    type=click.Choice(("process", "docker")),
    default="process",
    show_default=True,
    help="Run commands as processes of this machine, or in their images with Docker.",
)
@click.option(
    "--foreground",
    is_flag=True,
    help="Stay in the foreground and log to standard error; starts no console.",
)
@click.option(
    "--compose",
    "composes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="A compose.yaml that says which folder an image is built from.  May be given repeatedly.  "
    "[default: the one in this folder and those used last time, or the workshop's]",
)
@click.option(
    "--share",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="A folder whose files clients may put by file: URL.  May be given repeatedly.",
)
@click.option(
    "--log-limit",
    type=SIZE.at_least(2**20),
    metavar="SIZE",
    help="How much of a job's log to keep.  [default: 64MiB]",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME",
    help="Pass this variable of the shell to commands.  By default they get what a container "
    "would: PATH, HOME, LANG, and those in their specification.  May be given repeatedly.",
)
@click.option("--tls", is_flag=True, help="Encrypt, and require the store's token.")
@click.option("--insecure", is_flag=True, help="Let in everybody who can reach the address.")
@click.option(
    "--no-console",
    is_flag=True,
    envvar="PACHLOCAL_NO_CONSOLE",
    help="Don't serve the console, or anything else over HTTP.",
)
@click.option(
    "--console-port",
    type=click.IntRange(0, 65535),
    envvar="PACHLOCAL_CONSOLE_PORT",
    help="The console's port, or one near it if it is taken; 0 is any free port.  [default: 30080]",
)
@click.option("--no-warm", is_flag=True, help="Start a new Python or R for each datum.")
@click.option(
    "--no-environments",
    is_flag=True,
    help="Install no dependencies of stages; Python is the one that runs pachlocal.",
)
def up(
    root: Path,
    address: str,
    runtime: str,
    foreground: bool,
    composes: tuple[Path, ...],
    share: tuple[Path, ...],
    log_limit: int | None,
    variables: tuple[str, ...],
    tls: bool,
    insecure: bool,
    no_console: bool,
    console_port: int | None,
    no_warm: bool,
    no_environments: bool,
) -> None:
    """Start the daemon, and return once it answers.

    It lets in clients of the user who starts it, and clients that have its token. If other
    machines can reach the address, either --tls or --insecure is required.

    Example: pachlocal up --root /tmp/store --address 127.0.0.1:0
    """
    running = find_daemon(root)
    if running is not None:
        line = f"already running at {running.address} on {root} (process {running.pid})"
        if running.export:
            line += f"; clients find it with: export {running.export}"
        here = Path("compose.yaml").absolute()
        if not composes and here.is_file() and str(here) not in running.stages:
            line += f"; it doesn't know {here}: `pachlocal down{at(root)}`, "
            line += f"then `{running.again(root)}`"
        raise Failure(line)
    options = ["--address", address.removeprefix("grpc://"), "--runtime", runtime]
    files, gone = (composes, []) if composes else known_composes(root)
    for file in gone:
        click.echo(
            f"pachlocal: {file} is gone, so its images have no folders; --compose names others",
            err=True,
        )
    options += _repeated("--compose", [str(file.absolute()) for file in files])
    options += _repeated("--share", [str(folder.absolute()) for folder in share])
    options += _repeated("--env", variables)
    if log_limit is not None:
        options += ["--log-limit", str(log_limit)]
    if tls and insecure:
        raise click.UsageError("--tls and --insecure exclude each other")
    options += ["--tls"] * tls + ["--insecure"] * insecure + ["--no-warm"] * no_warm
    options += ["--no-environments"] * no_environments
    command = daemon_command(root, options)
    if foreground:
        os.execv(command[0], command)  # noqa: S606 - this very interpreter
    found = start(root, command)
    click.echo(f"pachlocal is up at {found['address']}, its store is {root}")
    for line in _stages(found["stages"]):
        click.echo(line)
    start_console(root, wanted=not no_console, port=console_port)
    if found["export"] != f"PACHD_ADDRESS=grpc://{DEFAULT_ADDRESS}":
        click.echo(f"clients find it with: export {found['export']}")


@click.command()
@click.argument(
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
)
@root_option
@address_option
@click.pass_context
def dev(context: click.Context, folder: Path, root: Path, address: str) -> None:
    """Run FOLDER's pipelines at every save of a specification, or of code in its compose.yaml.

    Each save checks, creates or updates, and runs only the pipelines that changed. Results of
    code and data that have run before are reused. Starts the daemon if it isn't running. Ctrl-C
    leaves everything as it is.

    Example: pachlocal dev
    """
    folder = folder.absolute()
    names = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
    compose = next((folder / name for name in names if (folder / name).is_file()), None)
    running = find_daemon(root)
    if running is None:
        known, _ = known_composes(root)
        mine = (compose,) if compose else ()
        files = (*mine, *(file for file in known if file.absolute() not in mine))
        context.invoke(up, root=root, address=address, composes=files)
    elif compose is not None and str(compose) not in running.stages:
        raise Failure(
            f"the daemon on {root} doesn't use {compose}; stop it with `pachlocal down{at(root)}`, "
            "and this command starts it with that file"
        )
    command = [sys.executable, "-m", "pachlocal.dev", str(folder), "--root", str(root.absolute())]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter


@click.command()
@root_option
def down(root: Path) -> None:
    """Stop the daemon, and keep its store.

    Example: pachlocal down
    """
    running = find_daemon(root)
    if running is None:
        beside.end(root)  # of a daemon that was killed
        raise Failure(f"not running on {root}")
    beside.tell_to_end(root)
    stop(root, running)
    beside.end(root)
    click.echo("pachlocal is down")


@click.command()
@root_option
def status(root: Path) -> None:
    """Show whether the daemon runs, where and how, and what its workers are doing.

    Example: pachlocal status
    """
    running = running_daemon(root)
    click.echo(f"address  {running.address}")
    click.echo(f"process  {running.pid}")
    click.echo(f"store    {root}")
    click.echo(f"runtime  {running.runtime}")
    for line in _stages(running.stages):
        click.echo(line)
    if link := beside.find(root):
        click.echo(f"console  {link}")
    click.echo(f"clients  export PACH_CONFIG={shlex.quote(str(running.config))}")
    from pachlocal.cli.pachlocal.worker_table import show  # gRPC takes a while to load

    show(running)


@click.command()
@root_option
@click.option("-f", "--follow", is_flag=True, help="Follow the log as it grows, until Ctrl-C.")
def logs(root: Path, follow: bool) -> None:
    """Print the daemon's own log; `pachctl logs` prints those of pipelines.

    Example: pachlocal logs
    """
    path = root / "daemon.log"
    try:
        with path.open(errors="replace") as log:
            while True:
                click.echo(log.read(), nl=False)
                if not follow:
                    return
                time.sleep(_FOLLOW_S)
    except FileNotFoundError:
        raise Failure(f"no daemon has run on {root}") from None


def start_console(root: Path, *, wanted: bool, port: int | None = None, before: str = "") -> None:
    """Start the HTTP front if it is wanted, and print its link; the daemon doesn't need it.

    Args:
        root: The store.
        wanted: Whether to start one.
        port: Its port; None means the default.
        before: The link of the front that has just been stopped, if there was one.
    """
    if not wanted:
        beside.end(root)  # of a daemon that was killed
        return
    from pachlocal.cli.pachlocal.calling import settings_of  # gRPC takes a while to load

    try:
        link = beside.start(
            root, settings_of(running_daemon(root)), PORT if port is None else port, before
        )
    except (OSError, click.ClickException) as problem:
        reason = problem.format_message() if isinstance(problem, click.ClickException) else problem
        click.echo(f"pachlocal: the console can't be started: {reason}", err=True)
    else:
        click.echo(f"console  {link}")


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _stages(images: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a line for each compose.yaml that the daemon uses, with the number of its images."""
    for file, names in images.items():
        count = f"{len(names)} images" if len(names) != 1 else "1 image"
        shown = Path(file)
        with suppress(FileNotFoundError, ValueError):  # this folder is gone, or it isn't below it
            shown = shown.relative_to(Path.cwd())
        yield f"code     {count} of {shown}"


@click.command("context")
@root_option
def context_command(root: Path) -> None:
    """Give Pachyderm's own clients the daemon's address and token.

    Writes the context `pachlocal` into pachctl's configuration ($PACH_CONFIG, or
    ~/.pachyderm/config.json) and makes it the active one. `pachlocal up` keeps it up to date.

    Example: pachlocal context
    """
    file = context.write(running_daemon(root).config)
    click.echo(f'context "{contexts.NAME}" is written to {file}, and active')
