"""The daemon: puts the parts together and owns their life.

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
import signal
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pachlocal import __version__
from pachlocal.api.handover import Handover
from pachlocal.api.pfs.sources import Sources
from pachlocal.api.server import AddressInUseError, Server
from pachlocal.api.worker import WorkerDoor
from pachlocal.errors import PachError, RuntimeUnavailableError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.logs import LogWriter
from pachlocal.pps.scheduler import Scheduler
from pachlocal.runtime.contract import Runtime
from pachlocal.runtime.process import ProcessRuntime
from pachlocal.runtime.stages import load_stages
from pachlocal.storage.lock import StoreLock

_log = logging.getLogger("pachlocal")

_NOTE = "daemon.json"
_HANDOVER = "handover.socket"
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/]+):([0-9]{1,5})")
_MAX_PORT = 65535
_GRACE_S = 0.5  # for running calls when the daemon stops


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; return the exit code."""
    arguments = _parse(argv)
    _limit_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if not _is_address(arguments.address):
        reason = f"{arguments.address!r} is no address: it must be HOST:PORT, like 127.0.0.1:30650"
        return _refuse(arguments, reason)
    stop = _stop_signals()
    try:
        with _running(arguments) as address:
            _collect_seldom()
            _report(arguments.report_fd, {"address": address})
            os.read(stop, 1)
            _log.info("stopping")
    except AddressInUseError as error:
        reason = "another program uses it, or it is not an address of this machine"
        return _refuse(arguments, f"{error} can't be listened on: {reason}")
    except (PachError, OSError, sqlite3.Error) as error:
        return _refuse(arguments, str(error))
    return 0


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


def _collect_seldom() -> None:
    """Have Python look for garbage in cycles less often, and not among what is loaded by now.

    There is little of it. The end of a job of 10,000 datums took 134 us a datum, and takes 99.
    """
    gc.freeze()
    gc.set_threshold(10_000)  # objects more than before; 700 otherwise


@contextmanager
def _running(arguments: argparse.Namespace) -> Iterator[str]:
    """Start all parts in the order in which they need each other; stop them in reverse."""
    root: Path = arguments.root
    with ExitStack() as stack:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)  # secrets lie in it
        lock = StoreLock(root)
        stack.callback(lock.release)
        (root / _NOTE).unlink(missing_ok=True)  # of a daemon that was killed
        files = FileSystem(root)
        stack.callback(files.close)
        runtime = _runtime(arguments, stack)
        logs = LogWriter(files.database)
        stack.callback(logs.close)
        scheduler = Scheduler(files, runtime, logs, WorkerDoor())
        handover = Handover(root / _HANDOVER)
        stack.callback(handover.close)
        server = Server(files, scheduler, Sources(handover, arguments.share))
        port = server.bind(arguments.address)
        host = arguments.address.rpartition(":")[0]
        peer_host = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - compared only
        peer = {"PACHD_PEER_SERVICE_HOST": peer_host, "PACHD_PEER_SERVICE_PORT": str(port)}
        if peer_host in ("127.0.0.1", "localhost"):
            peer["PEER_PORT"] = str(port)  # where pachctl in a worker looks, on this machine
        scheduler.start(peer)
        stack.callback(scheduler.close)
        server.start()
        stack.callback(server.stop, _GRACE_S)
        address = f"grpc://{peer_host}:{port}"
        stack.enter_context(_announced(root, address, runtime.describe(), arguments))
        _log.info("pachlocal %s serves %s at %s", __version__, root, address)
        yield address


def _runtime(arguments: argparse.Namespace, stack: ExitStack) -> Runtime:
    scratch: Path = arguments.root / "scratch"
    if arguments.runtime == "process":
        stages = load_stages(arguments.compose) if arguments.compose else {}
        return ProcessRuntime(scratch, stages, warm=not arguments.no_warm)
    try:
        from pachlocal.runtime.docker.runtime import DockerRuntime  # an extra, and slow to load
    except ModuleNotFoundError as error:
        raise RuntimeUnavailableError(
            f"--runtime docker needs the module {error.name}: pip install 'pachlocal[docker]'"
        ) from error
    runtime = DockerRuntime(scratch)
    stack.callback(runtime.close)
    return runtime


@contextmanager
def _announced(
    root: Path, address: str, runtime: str, arguments: argparse.Namespace
) -> Iterator[None]:
    """Leave a note in the store that says where the daemon is, for as long as it runs."""
    note = root / _NOTE
    temporary = note.with_suffix(".tmp")
    content = {
        "pid": os.getpid(),
        "address": address,
        "runtime": runtime,
        "version": __version__,
        "options": _options(arguments),
    }
    temporary.write_text(json.dumps(content))
    temporary.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _options(arguments: argparse.Namespace) -> list[str]:
    """Return the options by which another daemon would do what this one does."""
    options = ["--address", arguments.address, "--runtime", arguments.runtime]
    if arguments.compose:
        options += ["--compose", str(arguments.compose)]
    for folder in arguments.share:
        options += ["--share", str(folder)]
    return options + ["--no-warm"] * arguments.no_warm


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pachlocal.daemon", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of the store")
    parser.add_argument("--address", required=True, help="HOST:PORT to listen on")
    parser.add_argument(
        "--runtime", choices=("process", "docker"), default="process", help="how commands run"
    )
    parser.add_argument("--compose", type=Path, help="compose.yaml that says what images hold")
    parser.add_argument(
        "--share", type=Path, action="append", default=[], help="a folder that file: URLs may name"
    )
    parser.add_argument("--no-warm", action="store_true", help="a fresh interpreter every time")
    parser.add_argument("--report-fd", type=int, help="where to write one line when it is up")
    arguments = parser.parse_args(argv)
    arguments.root = arguments.root.absolute()
    return arguments


def _is_address(text: str) -> bool:
    """Whether it is HOST:PORT; gRPC takes much else, and listens somewhere else then."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[1]) <= _MAX_PORT


def _refuse(arguments: argparse.Namespace, reason: str) -> int:
    _report(arguments.report_fd, {"error": reason})
    print(f"pachlocal: {reason}", file=sys.stderr)
    return 1


def _report(descriptor: int | None, message: dict[str, str]) -> None:
    """Tell whoever started us; there is one message, and then the end of the pipe."""
    if descriptor is not None:
        with os.fdopen(descriptor, "w") as pipe:
            pipe.write(json.dumps(message))


if __name__ == "__main__":
    sys.exit(main())
