"""The daemon of a store, from outside: whether it runs, its start and its end."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pachlocal.cli.pachlocal import context
from pachlocal.cli.pachlocal.options import DEFAULT_ADDRESS, at
from pachlocal.private_files import open_private

_STOP_TIMEOUT_S = 35.0  # a daemon that can't stop in order ends itself after 30 s
_KILL_TIMEOUT_S = 5.0
_POLL_S = 0.02
_CONFIG = "pachctl.json"  # the daemon writes it
_FLAGS = ("--tls", "--insecure", "--no-warm", "--no-environments")  # options without a value
_DEFAULTS = (["--address", DEFAULT_ADDRESS], ["--runtime", "process"])


class Failure(click.ClickException):
    """What ends the command: one line on standard error, exit code 1."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that runs, as its note in the store says.

    Attributes:
        pid: Its process.
        address: Where it answers by TCP.
        socket: Its Unix socket; empty when there is none.
        runtime: How it runs commands.
        options: What it was started with.
        config: The file that tells clients of Pachyderm how to reach it.
        stages: The images that have folders, by the compose.yaml that names them.
    """

    pid: int
    address: str
    socket: str
    runtime: str
    options: list[str]
    config: Path
    stages: dict[str, list[str]]

    def again(self, root: Path) -> str:
        """Return the command that starts a store's daemon as this one was started.

        Files that name stages are left out: the store remembers them.
        """
        words = iter(self.options)
        kept = []
        for option in words:
            values = [] if option in _FLAGS else [next(words, "")]
            if option != "--compose" and [option, *values] not in _DEFAULTS:
                kept += [option, *map(shlex.quote, values)]
        return " ".join([f"pachlocal up{at(root)}", *kept])

    @property
    def export(self) -> str:
        """The variable that leads clients here; empty when they find it without."""
        if self.address == f"grpc://{DEFAULT_ADDRESS}":
            return ""
        if self.address.startswith("grpc://"):
            return f"PACHD_ADDRESS={self.address}"
        return f"PACH_CONFIG={shlex.quote(str(self.config.absolute()))}"  # it has certificates too


def running_daemon(root: Path) -> Daemon:
    """Return the daemon that has a store.

    Raises:
        Failure: There is none.
    """
    running = find_daemon(root)
    if running is None:
        raise Failure(f"not running on {root}; start it with: pachlocal up{at(root)}")
    return running


def find_daemon(root: Path, patience_s: float = _STOP_TIMEOUT_S) -> Daemon | None:
    """Return the daemon that has a store, or None.

    Args:
        root: The store's folder.
        patience_s: How long one that is starting or stopping is waited for.

    Raises:
        Failure: There is one that doesn't say where it is, or the folder can't be looked at.
    """
    if not _is_locked(root):
        return None
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:  # it may be starting or stopping
        try:
            note = json.loads((root / "daemon.json").read_text())
            known = {name: note[name] for name in ("pid", "address", "runtime", "options")}
            # One of before there were sockets may run still, and be stopped.
            return Daemon(
                **known,
                socket=note.get("socket", ""),
                config=root / _CONFIG,
                stages=note.get("stages", {}),
            )
        except FileNotFoundError:
            if not _is_locked(root):
                return None
            time.sleep(_POLL_S)
    raise Failure(f"a daemon uses {root} but hasn't written its address; see {root / 'daemon.log'}")


def _is_locked(root: Path) -> bool:
    try:
        with (root / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        raise Failure(f"{root} can't be read: {error.strerror}") from None
    return False


def daemon_command(root: Path, options: Sequence[str]) -> list[str]:
    """Return the command line of a store's daemon."""
    return [sys.executable, "-m", "pachlocal.daemon", "--root", str(root.absolute()), *options]


def start(root: Path, command: list[str]) -> dict[str, Any]:
    """Start the daemon apart from this process; return what it says when it answers.

    Raises:
        Failure: It didn't come so far.
    """
    store = context.deployment(root / _CONFIG)
    try:
        root.mkdir(parents=True, exist_ok=True)  # the daemon closes it to others
        log = open_private(root / "daemon.log", "a")
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
    message: dict[str, Any] = json.loads(text)
    if "error" in message:
        process.wait()
        raise Failure(message["error"])
    process.returncode = 0  # it is on its own now
    context.renew(root / _CONFIG, store)
    for warning in message["warning"].splitlines():
        click.echo(f"pachlocal: {warning}", err=True)
    return message


def stop(root: Path, running: Daemon) -> None:
    """End the daemon; one that doesn't answer is killed, which loses nothing that was stored.

    Raises:
        Failure: Not even that ended it.
    """
    for number, limit_s in (signal.SIGTERM, _STOP_TIMEOUT_S), (signal.SIGKILL, _KILL_TIMEOUT_S):
        with suppress(ProcessLookupError):  # it has ended just now
            os.kill(running.pid, number)
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if not _is_locked(root):
                return
            time.sleep(_POLL_S)
        if number is signal.SIGTERM:
            click.echo(f"pachlocal: process {running.pid} does not stop, and is killed", err=True)
    raise Failure(f"process {running.pid} does not end; see {root / 'daemon.log'}")
