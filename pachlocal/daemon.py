"""The daemon: assembles the parts and owns their lifetimes.

Started by `pachlocal up`; stops on SIGTERM or SIGINT. Why it can't start, it says in one line.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import logging
import os
import re
import resource
import shlex
import signal
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pachlocal import __version__
from pachlocal.api.access.listeners import Listening, Request, listen
from pachlocal.api.handover import HandoverServer
from pachlocal.api.pfs.sources import Sources
from pachlocal.api.server import APIServer
from pachlocal.api.worker import GrpcDatumServer
from pachlocal.errors import (
    AddressInUseError,
    DamagedStoreError,
    PachError,
    RuntimeUnavailableError,
)
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.tables.logs import DEFAULT_LIMIT, LogWriter
from pachlocal.private_files import write_private
from pachlocal.runtime import leftovers
from pachlocal.runtime.contract import Runtime
from pachlocal.runtime.environment import container_environment
from pachlocal.runtime.environments.shelf import default_place
from pachlocal.runtime.process import ProcessRuntime
from pachlocal.runtime.stages import Stages
from pachlocal.shutdown import Shutdown, leave
from pachlocal.storage import disk
from pachlocal.storage.chunk_files import sync_folder
from pachlocal.storage.closing import close_to_others
from pachlocal.storage.database import damage
from pachlocal.storage.lock import StoreLock
from pachlocal.storage.reserve import Reserve

_log = logging.getLogger("pachlocal")

_NOTE = "daemon.json"
_COMPOSE = "compose.json"  # the files that `up` takes again, wherever it is started
_HANDOVER = "handover.socket"
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/]+):([0-9]{1,5})")
_MAX_PORT = 65535
_FILES = 16_384
_GRACE_S = 0.5  # for running calls when the daemon stops
_FULL = "the disk of the store is full: delete what you don't need, then: pachlocal gc"
# How long parts have to end: workers need some time where there are many, others none.
_WORKERS_LIMIT_S = 15.0
_CALLS_LIMIT_S = 6.0
_LIMIT_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; return the exit code."""
    arguments = _parse(argv)
    _limit_memory()
    _allow_many_clients()
    logging.raiseExceptions = False  # what can't be logged, because the disk is full, is left out
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if not _is_address(arguments.address):
        reason = (
            f"{arguments.address!r} isn't an address: it must be HOST:PORT, like 127.0.0.1:30650"
        )
        return _refuse(arguments, reason)
    stop = _stop_signals()
    shutdown = Shutdown()
    try:
        with _running(arguments, shutdown) as found:
            _collect_seldom()
            _report(arguments.report_fd, found)
            arguments.report_fd = None
            os.read(stop, 1)
            _log.info("stopping")
            shutdown.begin()
    except AddressInUseError as error:
        reason = (
            "another program uses it, or it is not an address of this machine; --address "
            "127.0.0.1:0 takes a free port"
        )
        return _refuse(arguments, f"can't listen on {error}: {reason}")
    except (PachError, OSError, sqlite3.Error) as error:
        problem = str(error) if isinstance(error, DamagedStoreError) else damage(error)
        if problem:
            return _refuse(arguments, f"{problem}; see: pachlocal fsck{_at(arguments.root)}")
        return _refuse(arguments, disk.trouble(error) or str(error))
    return 0 if shutdown.in_order else 1


def _stop_signals() -> int:
    """Return a descriptor that becomes readable when SIGTERM or SIGINT comes.

    A handler that sets an event is not enough: the signal may reach the process in another thread,
    or just before this one begins to wait, and Python runs handlers in this one only, when it wakes
    up. The byte is written at once, whatever thread it is.
    """
    readable, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable


def _limit_memory() -> None:
    """Keep glibc from holding on to memory: a heap a thread, and large pieces once they are free.

    Measured on 1 GiB that Pachyderm's pachctl puts: 128 MB at the most, and no slower; 180 MB
    without the second limit. See mallopt(3).
    """
    mmap_threshold, arena_max = -3, -8
    with suppress(AttributeError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(arena_max, 2)
        libc.mallopt(mmap_threshold, 1024 * 1024)  # bytes


def _allow_many_clients() -> None:
    """Let there be more open files than shells allow by default: each client is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # macOS has another limit besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _collect_seldom() -> None:
    """Have Python look for garbage in cycles less often, and not among what is loaded by now.

    There is little of it. The end of a job of 10,000 datums took 134 us a datum, and takes 99.
    """
    gc.freeze()
    gc.set_threshold(10_000)  # objects more than before; 700 otherwise


@contextmanager
def _running(arguments: argparse.Namespace, shutdown: Shutdown) -> Iterator[dict[str, Any]]:
    """Start all parts, and stop them; yield what the user should know."""
    root: Path = arguments.root
    with ExitStack() as stack:
        _make_folder(root)
        close_to_others(root)
        lock = StoreLock(root)
        stack.callback(shutdown.end_in_order, "the lock", lock.release, _LIMIT_S)
        (root / _NOTE).unlink(missing_ok=True)  # of a daemon that was killed
        reserve = Reserve(root)
        was_full = reserve.is_scarce  # btrfs tells late what is free
        left = leftovers.remove(root / "scratch")  # whatever the runtime was that it had
        started = reserve.spend_if_full(lambda: _start(arguments, shutdown, reserve, stack))
        listening = started.listening
        is_full = not reserve.take() or reserve.is_scarce
        full = f"{_FULL}{_at(root)}" if was_full or is_full else ""
        warnings = (full, left, listening.warning, *started.remarks)
        for line in filter(None, warnings):
            _log.warning("%s", line)
        yield {
            "address": listening.address,
            "export": listening.export,
            "warning": "\n".join(filter(None, warnings)),
            "stages": _images(started.stages),
        }


class _Started(NamedTuple):
    listening: Listening
    remarks: list[str]  # about images, for the user
    stages: Stages


def _start(
    arguments: argparse.Namespace, shutdown: Shutdown, reserve: Reserve, running: ExitStack
) -> _Started:
    """Start all parts in the order in which they need each other, or none.

    Args:
        arguments: How.
        shutdown: Ends them.
        reserve: The room that the store keeps back.
        running: Is to stop them, in reverse.
    """
    root: Path = arguments.root
    with ExitStack() as stack:
        files = FileSystem(root, reserve)
        stack.callback(shutdown.end_in_order, "the store", files.close, _LIMIT_S)
        runtime, stages = _runtime(arguments)
        stack.callback(shutdown.end_in_order, "the runtime", runtime.close, 2 * _LIMIT_S)
        logs = LogWriter(files.database, arguments.log_limit)
        stack.callback(shutdown.end, "the log writer", logs.close, _LIMIT_S)
        scheduler = Scheduler(files, runtime, logs, GrpcDatumServer())
        handover = HandoverServer(root / _HANDOVER)
        stack.callback(shutdown.end, "the handover of files", handover.close, _LIMIT_S)
        server = APIServer(files, scheduler, Sources(handover, arguments.share))
        stack.callback(server.give_up)
        request = Request(arguments.address, arguments.tls, arguments.insecure)
        listening = listen(server, request, root, files.database.store_id)
        scheduler.start(listening.peer)
        stack.callback(shutdown.end, "the workers", scheduler.close, _WORKERS_LIMIT_S)
        stack.callback(runtime.hurry)
        server.start()
        stack.callback(shutdown.end, "all calls", partial(server.stop, _GRACE_S), _CALLS_LIMIT_S)
        note = {"runtime": runtime.describe(), "stages": _images(stages)}
        stack.enter_context(_announced(root, listening, note, arguments))
        _log.info("pachlocal %s serves %s at %s", __version__, root, listening.address)
        running.push(stack.pop_all())
        return _Started(listening, scheduler.remarks(), stages)


def _make_folder(root: Path) -> None:
    """Make the store's folder; that of a new store is on disk before anything lies in it."""
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "pach.db").exists():
        for above in root.parents:  # `pachlocal up` may have made some of them
            with suppress(PermissionError):  # then it is not new
                sync_folder(above)


def _runtime(arguments: argparse.Namespace) -> tuple[Runtime, Stages]:
    """Return the runtime, and the images that have folders for it."""
    scratch: Path = arguments.root / "scratch"
    if arguments.runtime == "process":
        stages = Stages(arguments.compose)
        env = container_environment(os.environ, arguments.env)
        environments = None if arguments.no_environments else default_place()
        warm = not arguments.no_warm
        return ProcessRuntime(scratch, stages, env, environments=environments, warm=warm), stages
    try:
        from pachlocal.runtime.docker.runtime import DockerRuntime  # an extra, and slow to load
    except ModuleNotFoundError as error:
        raise RuntimeUnavailableError(
            f"--runtime docker needs the module {error.name}: pip install 'pachlocal[docker]'"
        ) from error
    return DockerRuntime(scratch), Stages(())


def _images(stages: Stages) -> dict[str, list[str]]:
    """Return the images by the file that names them."""
    return {str(file): list(images) for file, images in stages.files.items()}


@contextmanager
def _announced(
    root: Path, listening: Listening, more: Mapping[str, Any], arguments: argparse.Namespace
) -> Iterator[None]:
    """Leave a note in the store that says where the daemon is, for as long as it runs."""
    note = root / _NOTE
    content = {
        "pid": os.getpid(),
        "address": listening.address,
        "socket": listening.socket,
        "version": __version__,
        "options": _options(arguments),
        **more,
    }
    if arguments.compose:
        files = [str(file) for file in arguments.compose]
        write_private(root / _COMPOSE, json.dumps(files).encode())
    write_private(note, json.dumps(content).encode())
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _options(arguments: argparse.Namespace) -> list[str]:
    """Return the options by which another daemon would do what this one does."""
    options = ["--address", arguments.address, "--runtime", arguments.runtime]
    options += ["--tls"] * arguments.tls + ["--insecure"] * arguments.insecure
    for file in arguments.compose:
        options += ["--compose", str(file)]
    for folder in arguments.share:
        options += ["--share", str(folder)]
    if arguments.log_limit != DEFAULT_LIMIT:
        options += ["--log-limit", str(arguments.log_limit)]
    for name in arguments.env:
        options += ["--env", name]
    options += ["--no-environments"] * arguments.no_environments
    return options + ["--no-warm"] * arguments.no_warm


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pachlocal.daemon", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of the store")
    parser.add_argument("--address", required=True, help="HOST:PORT to listen on")
    guard = parser.add_mutually_exclusive_group()
    guard.add_argument("--tls", action="store_true", help="encrypt, and ask all for a token")
    guard.add_argument("--insecure", action="store_true", help="let in everybody")
    parser.add_argument(
        "--runtime", choices=("process", "docker"), default="process", help="how commands run"
    )
    parser.add_argument(
        "--compose",
        type=Path,
        action="append",
        default=[],
        help="compose.yaml that says what images hold",
    )
    parser.add_argument(
        "--share", type=Path, action="append", default=[], help="a folder that file: URLs may name"
    )
    parser.add_argument(
        "--log-limit", type=int, default=DEFAULT_LIMIT, help="bytes of a job's log that are kept"
    )
    parser.add_argument(
        "--env", action="append", default=[], help="a variable that commands inherit, by its name"
    )
    parser.add_argument("--no-warm", action="store_true", help="a fresh interpreter every time")
    parser.add_argument(
        "--no-environments", action="store_true", help="install nothing that stages ask for"
    )
    parser.add_argument("--report-fd", type=int, help="where to write one line when it is up")
    arguments = parser.parse_args(argv)
    arguments.root = arguments.root.absolute()
    return arguments


def _is_address(text: str) -> bool:
    """Whether it is HOST:PORT; gRPC takes much else, and listens somewhere else then."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[1]) <= _MAX_PORT


def _at(root: Path) -> str:
    """Return the option by which a command that is suggested finds the store, after a blank."""
    return f" --root {shlex.quote(str(root))}"


def _refuse(arguments: argparse.Namespace, reason: str) -> int:
    _report(arguments.report_fd, {"error": reason})
    print(f"pachlocal: {reason}", file=sys.stderr)
    return 1


def _report(descriptor: int | None, message: dict[str, Any]) -> None:
    """Tell whoever started us; there is one message, and then the end of the pipe."""
    if descriptor is not None:
        with os.fdopen(descriptor, "w") as pipe:
            pipe.write(json.dumps(message))


if __name__ == "__main__":
    leave(main())
