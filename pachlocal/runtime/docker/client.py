"""`pachctl` for programs in a container whose image has none.

On a cluster every worker has a pachctl. An image may be of any system, so that no program of ours
would run in all of them but a shell script: it writes what it was asked into files of a folder that
it shares with this side, which calls pachctl on this machine and writes what that prints.

What is in the folder is a stranger's: this side looks up no name in it after the folder was made,
but for files of one slot, and follows no link; and of what a call asks it takes only what is listed
here, so that no call can name a file of this machine.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

FOLDER = "/pach-bin"
"""Where the container sees it, as on a cluster; it is last on its PATH."""

_SCRIPT = Path(__file__).with_name("pachctl.sh")
_SLOTS = ("1", "2", "3", "4")  # calls at a time
_FILES = ("call", "in", "out", "err")
_VERBS = ("next datum", "put file", "get file", "list file", "list commit")
_FLAGS = ("--append", "--raw")
_MOST_BYTES = 1 << 16  # of a call
_TARGET = re.compile(r"[\w.:/-]*@[^\0\n]*|[\w-][\w.:/-]*")
_PROJECT = re.compile(r"[\w-]+")
_OF_THE_WORKER = (
    *("PEER_PORT", "PACH_IN_WORKER", "PACH_PYTHON_AUTH_TOKEN"),
    "PPS_WORKER_GRPC_PORT",
)
_PACHCTL = "import sys; from pachlocal.cli.pachctl import main; sys.exit(main())"
_REFUSED = 2


class ContainerClient:
    """The daemon's side of one worker's folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            OSError: The disk is full, or the like.
        """
        self._lock = threading.Lock()
        self._env: Mapping[str, str] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._thread: threading.Thread | None = None
        with ExitStack() as undo:
            folder.mkdir()
            script = folder / "pachctl"
            script.write_bytes(_SCRIPT.read_bytes())
            script.chmod(0o755)
            self._door = _fifo(folder / "door", undo)
            self._places: dict[str, int] = {}
            self._done: dict[str, int] = {}
            for slot in _SLOTS:
                place = folder / slot
                place.mkdir()
                place.chmod(0o777)  # a container's user is another
                for name in _FILES:
                    (place / name).touch()
                    (place / name).chmod(0o666)
                self._done[slot] = _fifo(place / "done", undo)
                self._places[slot] = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
                undo.callback(os.close, self._places[slot])
            self._closing = undo.pop_all()

    @contextmanager
    def serving(self, env: Mapping[str, str]) -> Iterator[None]:
        """Answer the calls of a command while the block runs.

        Args:
            env: The command's variables, which say where the server and the worker are.
        """
        self._env = {name: env[name] for name in _OF_THE_WORKER if name in env}
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._listen, name="pachctl of a container", daemon=True
            )
            self._thread.start()
        try:
            yield
        finally:
            self._end_calls()

    def close(self) -> None:
        """End it; no command runs any more."""
        if self._thread is not None:
            os.write(self._door, b"end\n")
            self._thread.join()
        self._end_calls()
        self._closing.close()

    def _listen(self) -> None:
        pending = b""
        while True:
            pending += os.read(self._door, _MOST_BYTES)
            *lines, pending = pending.split(b"\n")
            for line in lines:
                word, _, slot = line.decode(errors="replace").partition(" ")
                if word == "end":
                    return
                if slot in self._places and word == "call":
                    self._begin(slot)
                elif slot in self._places and word == "free":
                    self._free(slot)

    def _begin(self, slot: str) -> None:
        """Start pachctl for a call; a thread waits for its end."""
        place = self._places[slot]
        with ExitStack() as opened:
            try:
                files = {
                    name: _open(place, name, os.O_RDONLY if name in ("call", "in") else os.O_WRONLY)
                    for name in _FILES
                }
            except OSError:  # somebody has put something else there
                self._answer(slot, _REFUSED)
                return
            for file in files.values():
                opened.callback(os.close, file)
            words = _words(os.read(files["call"], _MOST_BYTES))
            if words is None:
                os.write(files["err"], b"pachctl: that can't be asked for in a container\n")
                self._answer(slot, _REFUSED)
                return
            env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            process = subprocess.Popen(
                [sys.executable, "-c", _PACHCTL, *words],
                stdin=files["in"],
                stdout=files["out"],
                stderr=files["err"],
                env={**env, **self._env},
            )
        with self._lock:
            self._running[slot] = process
        waiter = threading.Thread(target=self._wait, args=(slot, process), daemon=True)
        waiter.start()

    def _wait(self, slot: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            if self._running.get(slot) is process:
                del self._running[slot]
                self._answer(slot, code if code >= 0 else 128 - code)

    def _answer(self, slot: str, code: int) -> None:
        with suppress(BlockingIOError):  # full of answers that nobody took
            os.write(self._done[slot], f"{code}\n".encode())

    def _free(self, slot: str) -> None:
        with suppress(OSError):  # somebody has removed it
            os.unlink("taken", dir_fd=self._places[slot])
        with suppress(BlockingIOError):
            os.read(self._done[slot], _MOST_BYTES)

    def _end_calls(self) -> None:
        """End the calls of a command that has ended."""
        with self._lock:
            running, self._running = self._running, {}
        for process in running.values():
            process.kill()
            process.wait()
        for slot in _SLOTS:
            self._free(slot)


def _words(call: bytes) -> list[str] | None:
    """Return the words of pachctl's command line for a call; None for one that isn't served."""
    parts = call.decode(errors="replace").split("\0")
    if len(parts) != 6 or parts.pop():
        return None
    verb, target, error, project, flags = parts
    if verb not in _VERBS or any(flag not in _FLAGS for flag in flags.split()):
        return None
    if verb == "next datum":
        return [*verb.split(), f"--error={error}"]
    if not _TARGET.fullmatch(target) or (project and not _PROJECT.fullmatch(project)):
        return None
    words = [*verb.split(), *flags.split(), *((f"--project={project}",) if project else ())]
    return [*words, *(("--file=-",) if verb == "put file" else ()), "--", target]


def _open(place: int, name: str, mode: int) -> int:
    """Open a file of a slot.

    Raises:
        OSError: It is something else by now.
    """
    more = os.O_TRUNC if mode == os.O_WRONLY else 0
    file = os.open(name, mode | more | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{name} isn't a file any more")
    return file


def _fifo(path: Path, undo: ExitStack) -> int:
    """Make a pipe with a name, and open both its ends: it has no end of file."""
    os.mkfifo(path)
    path.chmod(0o666)
    blocking = path.name == "door"
    descriptor = os.open(path, os.O_RDWR | (0 if blocking else os.O_NONBLOCK))
    undo.callback(os.close, descriptor)
    return descriptor
