"""The interpreters that can be kept warm: what each needs to learn, and to serve."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .warm import WarmCommand

_HOOK = os.path.join(os.path.dirname(__file__), "hook")  # noqa: PTH118, PTH120
_PYTHON_FLAGS = (b"-u", b"-B", b"-O", b"-OO", b"-s", b"-b", b"-bb", b"-q")

# What R reads of the environment when it starts, besides the names that begin so.
_R_PREFIXES = (b"R_", b"_R_", b"LC_", b"LD_")
_R_NAMES = {
    *(b"HOME", b"LANG", b"LANGUAGE", b"TZ", b"TMPDIR", b"TMP", b"TEMP", b"TAR", b"SED"),
    *(b"EDITOR", b"PAGER", b"MAKE", b"LN_S", b"DISPLAY", b"VISUAL"),
}
_EXPANDED = frozenset(b"*?[\\ \t\n")  # by R's front end, a shell script
_R_NEEDED = b"--no-echo"  # what Rscript has told R since 4.0; before, it was --slave


class UnfitError(Exception):
    """This installation's interpreter can't be kept warm; the message says why."""


class Interpreter:
    """A language's way to learn and to serve."""

    def script(self, command: WarmCommand) -> bytes | None:
        """The script that a command is to run; None when it is something else."""
        raise NotImplementedError

    def reads(self, _name: bytes) -> bool:
        """Whether a variable of the environment matters to the interpreter's start."""
        return False

    def files(self, command: WarmCommand) -> list[bytes]:
        """Files whose change makes it another interpreter."""
        return [command.program]

    def learner(self, command: WarmCommand, report: int) -> dict[bytes, bytes]:
        """Have a first run report to a file what it loads.

        Args:
            command: What is to be run.
            report: The file.

        Returns:
            The environment to run it in.
        """
        raise NotImplementedError

    def server(
        self, command: WarmCommand, learned: bytes
    ) -> tuple[bytes, list[bytes], dict[bytes, bytes], bytes]:
        """How to start a server.

        Args:
            command: What its forks are to run.
            learned: What was reported.

        Returns:
            Program, arguments, environment, and what it is to read.

        Raises:
            UnfitError: There can't be one.
        """
        raise NotImplementedError


class _Python(Interpreter):
    def script(self, command: WarmCommand) -> bytes | None:
        name = os.path.basename(command.argv[0])  # noqa: PTH119
        version = name[len(b"python") :].replace(b".", b"")
        if not name.startswith(b"python") or not (version or b"3").isdigit():
            return None
        if command.env.get(b"PYTHONPATH") == b"":
            return None
        for word in command.argv[1:]:
            if not word.startswith(b"-"):
                return word
            if word not in _PYTHON_FLAGS:
                return None
        return None

    def learner(self, command: WarmCommand, report: int) -> dict[bytes, bytes]:
        os.set_inheritable(report, True)
        return _with_hook(command.env, b"learn %d %b" % (report, self.script(command) or b""))

    def server(
        self, command: WarmCommand, learned: bytes
    ) -> tuple[bytes, list[bytes], dict[bytes, bytes], bytes]:
        env = _with_hook(command.env, b"serve %d %d")
        return command.program, command.argv, env, learned


def _with_hook(env: dict[bytes, bytes], what: bytes) -> dict[bytes, bytes]:
    """An environment in which an interpreter runs the hook at the end of its start."""
    path = os.fsencode(_HOOK)
    if others := env.get(b"PYTHONPATH"):
        path += b":" + others
    return {**env, b"PYTHONPATH": path, b"PACHLOCAL_WARM": what}


class _R(Interpreter):
    """R, as a library (libR.so) in a Python of ours: that can fork, and has what R lacks for it.

    R's own front end starts it, as a debugger, so that it finds the environment R would.
    """

    def script(self, command: WarmCommand) -> bytes | None:
        if os.path.basename(command.argv[0]) != b"Rscript":  # noqa: PTH119
            return None
        if b"RHOME" in command.env or b"R_HOME" in command.env:  # it may be another R's
            return None
        if len(command.argv) < 2 or command.argv[1].startswith(b"-"):
            return None
        if not _EXPANDED.isdisjoint(command.argv[1]):
            return None
        return command.argv[1]

    def reads(self, name: bytes) -> bool:
        return name.startswith(_R_PREFIXES) or name in _R_NAMES

    def files(self, command: WarmCommand) -> list[bytes]:
        return [command.program, self._front_end(command)]

    def learner(self, command: WarmCommand, report: int) -> dict[bytes, bytes]:
        os.write(report, b"ok\0end")  # its forks tell more
        return command.env

    def server(
        self, command: WarmCommand, learned: bytes
    ) -> tuple[bytes, list[bytes], dict[bytes, bytes], bytes]:
        hook = os.path.join(_HOOK, "pachlocal_r.py")  # noqa: PTH118
        with open(command.program, "rb") as file:  # noqa: PTH123
            if _R_NEEDED not in file.read(1 << 20):
                raise UnfitError("Rscript is not from R 4")
        if any(space in sys.executable + hook for space in " \t\n"):
            raise UnfitError(f"there is a space in {sys.executable} or {hook}")
        script, *rest = command.argv[1:]
        words = [
            _R_NEEDED,
            b"--no-restore",
            b"--file=" + script,
            *([b"--args", *rest] if rest else []),
        ]
        variables = [name + b"=" + value for name, value in command.env.items()]
        facts = [b"%d" % len(words), *words, b"%d" % len(variables), *variables, learned]
        front_end = self._front_end(command)
        argv = [front_end, b"-d", os.fsencode(f"{sys.executable} -I -S {hook}")]
        env = {**command.env, b"PACHLOCAL_WARM": b"%d %d"}
        return front_end, argv, env, b"\0".join(facts)

    def _front_end(self, command: WarmCommand) -> bytes:
        return os.path.join(os.path.dirname(command.program), b"R")  # noqa: PTH118, PTH120


INTERPRETERS = (_Python(), _R())
