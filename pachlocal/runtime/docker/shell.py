"""Commands as lines for the shell that holds a container open, and what comes back of them.

An exec takes Docker some 60 ms; a shell that is there already takes two. It is told each command in
its own language, and says a marker on both outputs before the command and after it, which nobody
else knows: what comes between the two is the command's. See "Shell Command Language",
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from shlex import quote

from ..contract import Invocation
from ..lines import LineSplitter
from .streams import Frames

HOLDER = ("sh", "-c", "{ cat; kill -KILL $$; } | sh")
"""The program that holds a container open: a shell that takes commands from its input, which ends
with the daemon. The end of the input is the end of the container, whatever runs in it."""

HELLO = b'exec 3>&2 2>/dev/null; echo "$(command -v setsid) ready"\n'
READY = b"ready\n"
"""What the holder is asked at first, and how its answer ends. Before that it names `setsid`:
without it, a command that ends its process group would end the shell. Errors are written elsewhere
from then on: a shell tells of commands that a signal ended."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that some shell keeps to itself.
_ITS_OWN = frozenset(("BASHOPTS", "BASH_VERSINFO", "EUID", "OPTIND", "PPID", "SHELLOPTS", "UID"))
# Those that a shell sets for its commands, and Docker does not.
_ADDED = ("OLDPWD", "PWD", "SHLVL")


def can_run(invocation: Invocation, env: Mapping[str, str]) -> bool:
    """Whether a shell can be told to run a command as Docker would."""
    told = (*invocation.cmd, *env.values(), invocation.working_dir or "")
    return (
        all(_NAME.fullmatch(name) and name not in _ITS_OWN for name in env)
        and not any("\0" in text for text in told)
        and b"\0" not in invocation.stdin
        and (not invocation.stdin or invocation.stdin.endswith(b"\n"))
    )


def script(invocation: Invocation, env: Mapping[str, str], marker: str) -> bytes:
    """Return what tells the shell to run a command that `can_run`.

    Args:
        invocation: The command.
        env: Its variables beyond the image's.
        marker: A word of letters and digits that nothing else says.
    """
    here = f"{marker}_stdin"
    source = f"<<'{here}'" if invocation.stdin else "</dev/null"
    program, folder = invocation.cmd[0], invocation.working_dir
    ready = []
    if "/" in program:
        path = str(PurePosixPath(folder or "", program))  # the shell is in the image's own folder
        ready.append(f"[ -x {quote(path)} ]")
    enter = []
    if folder is not None:
        ready.append(f"[ -d {quote(folder)} ]")
        enter.append(f"cd -- {quote(folder)} || exit")
    steps = [
        *(f"export {name}={quote(value)}" for name, value in env.items()),
        *enter,
        *(f"unset {name}" for name in _ADDED if name not in env),
        f"exec setsid {' '.join(map(quote, invocation.cmd))}",
    ]
    say = f"printf '\\000{marker}'"
    lines = [
        f"{say}; {say} >&3",
        f"if {' && '.join(ready) or ':'}; then",
        f"( {'; '.join(steps)} ) 2>&3 3>&- {source}",
    ]
    text = "\n".join(lines).encode(errors="surrogateescape") + b"\n"
    if invocation.stdin:
        text += invocation.stdin + f"{here}\n".encode()
    end = f"{say}\"$?\n\"; else {say}'-\n'; fi; {say} >&3\n"
    return text + end.encode()


def new_marker() -> str:
    """Return a word that nothing else says."""
    return f"x{secrets.token_hex(16)}"  # a digit would belong to the number before it


class ShellOutput:
    """Takes what comes of the shell apart: what lies between the markers is the command's.

    Attributes:
        begun: Whether the shell has begun with the command.
        begun_ns: When that was heard, by the monotonic clock in nanoseconds.
        code: The command's exit code; None until it has ended.
        refused: Whether the shell can't start it, for a reason that Docker would say.
    """

    def __init__(self, on_lines: Callable[[str], None], marker: str) -> None:
        mark = f"\0{marker}".encode()
        self._frames = Frames()
        self._streams = {number: _Marked(mark, LineSplitter(on_lines)) for number in (1, 2)}
        self.begun = False
        self.begun_ns = 0
        self.code: int | None = None
        self.refused = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the connection."""
        for number, payload in self._frames.of(chunk):
            if number in self._streams:
                self._streams[number].feed(payload)
        output, errors = self._streams.values()
        if output.begun and not self.begun:
            self.begun, self.begun_ns = True, time.monotonic_ns()
        if errors.ended and output.ended and output.after.endswith(b"\n"):
            said = output.after.decode().strip()
            self.refused = said == "-"
            self.code = None if self.refused else int(said)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come, and the next command's answer begins with a frame."""
        return (self.refused or self.code is not None) and self._frames.is_whole

    def finish(self) -> None:
        """Pass on last lines that have no newline."""
        for stream in self._streams.values():
            stream.lines.finish()


class _Marked:
    """A stream, of which what comes before the first marker and after the second is not shown."""

    def __init__(self, mark: bytes, lines: LineSplitter) -> None:
        self.lines = lines
        self.begun = self.ended = False
        self.after = bytearray()
        self._mark = mark
        self._pending = bytearray()

    def feed(self, payload: bytes) -> None:
        self._pending += payload
        if not self.begun:
            self.begun = self._pass(None)
        if self.begun and not self.ended:
            self.ended = self._pass(self.lines)
        if self.ended:
            self.after += self._pending
            self._pending.clear()

    def _pass(self, lines: LineSplitter | None) -> bool:
        """Take what comes before a marker; return whether it came, which is taken as well."""
        before, mark, rest = self._pending.partition(self._mark)
        if not mark:
            kept = self._begun_mark(before)
            before, rest = before[: len(before) - kept], before[len(before) - kept :]
        if lines is not None and before:
            lines.feed(bytes(before))
        self._pending = bytearray(rest)
        return bool(mark)

    def _begun_mark(self, text: bytearray) -> int:
        """Return how many bytes at the end of a text may begin a marker."""
        at = text.rfind(self._mark[:1], max(0, len(text) - len(self._mark)))
        return len(text) - at if at >= 0 and self._mark.startswith(text[at:]) else 0
