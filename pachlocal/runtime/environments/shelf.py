"""The environments of one user, in a folder that all daemons share.

`KEY/` is an environment. `KEY/.pachlocal.json` is written when it is whole, and its time is that of
the last use. `KEY.lock` is locked by all who use it, or by the one who makes or removes it. An
installer inherits that lock: nobody makes an environment beside one that a killed daemon has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from pachlocal.runtime.folders import remove_tree

PLACE = "PACHLOCAL_ENVIRONMENTS"
"""The variable that says where environments are kept."""

UNUSED_S = 30 * 24 * 3600.0
"""After how long without use an environment goes when another one is made."""

_MARK = ".pachlocal.json"
_ASK_S = 0.1
_DOOMED = ".removed-"
_KILL_S = 5.0


def default_place() -> Path:
    """Return the folder of this user's environments."""
    return Path(os.environ.get(PLACE) or user_cache_path("pachlocal") / "environments").absolute()


class GivenUpError(Exception):
    """Nobody needs it any more."""


class MakingError(Exception):
    """A command failed.

    Attributes:
        lines: What it has written.
        code: Its exit code.
    """

    def __init__(self, lines: Sequence[str], code: int) -> None:
        super().__init__(code)
        self.lines = lines
        self.code = code


@dataclass(frozen=True, slots=True)
class Kept:
    """An environment.

    Attributes:
        key: What names it.
        place: Its folder.
        facts: What was noted when it was made.
        used: When it was last used (s since 1970).
    """

    key: str
    place: Path
    facts: Mapping[str, str]
    used: float


class Shelf:
    """A folder of environments. Any thread may use it, and any process beside it."""

    def __init__(self, place: Path) -> None:
        """Take a folder; it is made when there is something to be put there."""
        self.place = place

    def take(self, key: str) -> int | None:
        """Begin to use an environment, so that nobody removes it.

        Returns:
            A descriptor, to be closed when it isn't used any more; None if it isn't there.
        """
        if not self._mark(key).exists():
            return None
        lock = self._open(key)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.utime(self._mark(key))
        except (BlockingIOError, FileNotFoundError):  # it is being removed
            os.close(lock)
            return None
        return lock

    def folder(self, key: str) -> Path:
        """Return the folder of an environment."""
        return self.place / key

    def make(
        self,
        key: str,
        facts: Mapping[str, str],
        build: Callable[[Path, Runner], None],
        tell: Callable[[str], None],
        given_up: Callable[[], bool],
        is_sound: Callable[[Path], bool],
    ) -> None:
        """Make an environment, unless somebody else has made it meanwhile.

        Args:
            key: What names it.
            facts: What is to be noted of it.
            build: Makes it, in the folder that it is given.
            tell: Is told in a few words what is being done, now and then.
            given_up: Asked now and then: when it says yes, nothing is left of it.
            is_sound: Whether one that is there can be used.

        Raises:
            GivenUpError: `given_up` has said yes.
            MakingError: A command failed; nothing is left of it.
            OSError: The disk is full, or the like; the same.
        """
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self.folder(key)

        def is_made() -> bool:
            return self._mark(key).exists() and is_sound(place)

        with ExitStack() as stack:
            lock = self._lock(key, tell, given_up, is_made)
            if lock is None:
                return
            stack.callback(os.close, lock)
            if is_made():
                return
            self._remove(place)
            with ExitStack() as undo:
                undo.callback(self._remove, place)
                build(place, Runner(lock, tell, given_up))
                os.sync()  # a power cut must not leave half of it below a mark that says all
                self._mark(key).write_text(json.dumps(facts), encoding="utf-8")
                undo.pop_all()
        self.remove_unused(UNUSED_S)

    def kept(self) -> Iterator[Kept]:
        """Yield the environments that are whole, those first that were used last."""
        found = []
        for mark in self.place.glob(f"*/{_MARK}"):
            with contextlib.suppress(OSError, ValueError):  # it is being removed
                facts = json.loads(mark.read_text(encoding="utf-8"))
                found.append(Kept(mark.parent.name, mark.parent, facts, mark.stat().st_mtime))
        yield from sorted(found, key=lambda it: -it.used)

    def remove_unused(self, age_s: float) -> list[Kept]:
        """Remove the environments that nobody has used for so long (s), nor uses now."""
        for left in self.place.glob(f"{_DOOMED}*"):
            remove_tree(left)
        now = time.time()
        return [it for it in self.kept() if now - it.used > age_s and self.remove(it.key)]

    def remove(self, key: str) -> bool:
        """Remove an environment, unless somebody uses it."""
        lock = self._open(key)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove(self.folder(key))
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def _mark(self, key: str) -> Path:
        return self.folder(key) / _MARK

    def _open(self, key: str) -> int:
        return os.open(self.place / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _lock(
        self,
        key: str,
        tell: Callable[[str], None],
        given_up: Callable[[], bool],
        is_made: Callable[[], bool],
    ) -> int | None:
        """Wait for the lock of who makes an environment; None when somebody else has made it."""
        lock = self._open(key)
        try:
            told = False
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not told:
                        tell("another program is at it")
                        told = True
                    if is_made():  # and is in use, so that the lock stays taken
                        os.close(lock)
                        return None
                    if given_up():
                        raise GivenUpError from None
                    time.sleep(_ASK_S)
                else:
                    return lock
        except BaseException:
            os.close(lock)
            raise

    def _remove(self, place: Path) -> None:
        """Remove a folder, which isn't there any more from the first moment on."""
        doomed = place.with_name(f"{_DOOMED}{place.name}-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            place.rename(doomed)
            remove_tree(doomed)


class Runner:
    """Runs the commands that make an environment."""

    def __init__(
        self, lock: int, tell: Callable[[str], None], given_up: Callable[[], bool]
    ) -> None:
        self._lock = lock
        self._tell = tell
        self._given_up = given_up

    def run(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        """Run a command to its end, and tell the lines that it writes.

        Raises:
            GivenUpError: Nobody needs it any more; it was ended.
            MakingError: It failed, or can't be started.
        """
        output = folder / ".output"
        with output.open("wb") as out:
            try:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(self._lock,),
                )
            except FileNotFoundError as error:
                raise MakingError([f"{command[0]}: {error.strerror}"], 127) from error
        with output.open(encoding="utf-8", errors="replace") as lines:
            said = list(self._follow(process, lines))
        if process.returncode:
            raise MakingError(said, process.returncode)

    def _follow(self, process: subprocess.Popen[bytes], lines: Iterator[str]) -> Iterator[str]:
        """Yield the lines that a process writes to a file until it ends."""
        while True:
            try:
                process.wait(_ASK_S)
            except subprocess.TimeoutExpired:
                if self._given_up():
                    _end(process)
                    raise GivenUpError from None
            new = [line.rstrip() for line in lines]
            if told := [line.strip() for line in new if line.strip()]:
                self._tell(told[-1])
            yield from new
            if process.returncode is not None:
                return


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_S)
            return
    process.wait()
