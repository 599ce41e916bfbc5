"""The front of a store's daemon: `up` starts it, `down` ends it, and neither needs it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pachlocal.cli.pachctl.client.config import Settings, find_file
from pachlocal.cli.pachlocal.console.listening import PORT, Listener, listen_nearby
from pachlocal.private_files import open_private, write_private
from pachlocal.web.order import Order

_LOCK = "console.lock"  # the front holds it
_NOTE = "console.json"
_TOKEN = "console.token"  # noqa: S105 - a file's name; kept, so that an open page stays let in
_LOG = "console.log"
_STOP_S = 4.0
_POLL_S = 0.02


def start(root: Path, settings: Settings, port: int = PORT, before: str = "") -> str:
    """Start the front of a daemon; don't wait for it, for its socket is there already.

    Args:
        root: The store.
        settings: How the daemon is reached.
        port: Where it is to be, or near that; 0 is any that is free.
        before: The link to a front that has just been ended, whose pages may be open; it isn't
            needed for one that runs still.

    Returns:
        What to say: the link that lets a browser in.

    Raises:
        OSError: It can't be started.
    """
    before = find(root) or before
    end(root)  # of a daemon that is gone
    kept = urlsplit(before).port or 0
    listener = listen_nearby(port, kept)
    with listener.socket, open_private(root / _LOCK, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        token = _token(root)
        process = _run(root, settings, listener, token, lock)
    link = listener.link(token)
    write_private(root / _NOTE, json.dumps({"pid": process.pid, "link": link}).encode())
    process.returncode = 0  # it is on its own now
    wanted = kept or port
    return link if listener.port == wanted or not wanted else f"{link} (port {wanted} is taken)"


def _run(
    root: Path, settings: Settings, listener: Listener, token: str, lock: IO[str]
) -> subprocess.Popen[str]:
    order = Order(
        address=settings.address,
        token=settings.token,
        certificates=settings.certificates,
        origins=listener.origins,
        page_token=token,
        cookie=f"pachlocal-{listener.port}",
        lock=str(root.absolute() / "lock"),
    )
    descriptor = listener.socket.fileno()
    with open_private(root / _LOG, "a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pachlocal.web", "--fd", str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[descriptor, lock.fileno()],
            start_new_session=True,
            env={**os.environ, "PACH_CONFIG": str(find_file().absolute())},
            cwd="/",  # it stays, and must not keep a folder from being removed
            text=True,
        )
    if process.stdin is not None:
        with process.stdin:
            process.stdin.write(order.written())
    return process


def _token(root: Path) -> str:
    file = root / _TOKEN
    with suppress(FileNotFoundError):
        if token := file.read_text().strip():
            return token
    token = secrets.token_urlsafe()
    write_private(file, f"{token}\n".encode())
    return token


def find(root: Path) -> str:
    """Return the link to a front that runs; empty if none does."""
    if not _runs(root):
        return ""
    try:
        return str(json.loads((root / _NOTE).read_text())["link"])
    except (OSError, ValueError, KeyError):
        return ""  # it is being started


def tell_to_end(root: Path) -> None:
    """Tell the front to end, if there is one; it needs a moment."""
    _signal(root, signal.SIGTERM)


def end(root: Path) -> None:
    """End the front, if there is one: it keeps nothing that could be lost."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal(root, number):
            return
        deadline = time.monotonic() + _STOP_S
        while _runs(root) and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _signal(root: Path, number: int) -> bool:
    """Send a signal to the front; return whether there was one."""
    if not _runs(root):
        return False
    try:
        pid = int(json.loads((root / _NOTE).read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return True


def _runs(root: Path) -> bool:
    try:
        with (root / _LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
