"""The server in a warm interpreter: answers the launcher, and forks when asked to."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_SIGKILL = 9
HIGH_FD = 200


class RefusedError(Exception):
    """A fork of this interpreter would not be what a fresh one is; the message says why."""


class ForkServer:
    """What the servers of all languages have in common.

    See `frames.py` for the form of messages, `warm.py` for what is said.
    """

    def __init__(self, requests: int, common: "ModuleType") -> None:
        """Take over the descriptor of a socket to the launcher.

        Args:
            requests: The socket.
            common: The module pachlocal_learn.
        """
        import _socket  # `socket` would bring modules that a script may not have

        os.set_inheritable(requests, False)
        self._requests = requests
        self._socket = _socket.socket(fileno=requests)
        self._rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        self._common = common
        self._fork = 0  # the process that is to run the script
        self._changes: dict[bytes, bytes | None] = {}

    def _load(self) -> None:
        """Load in advance what was learned, and see that it is what the script would get.

        Raises:
            RefusedError: It isn't, or a fork of this process can't be trusted.
        """
        raise NotImplementedError

    def _stale(self) -> str:
        """Why what is loaded is not what the script would get now; or ""."""
        raise NotImplementedError

    def _prepare(self, report: int) -> None:
        """Do in a fork, in its folder and environment, what its language asks for.

        Args:
            report: A file for what it is to tell when it ends.
        """
        raise NotImplementedError

    def _quietly(self, load: "Callable[[], None]") -> None:
        """Call something that is to write no messages.

        Raises:
            RefusedError: It has written some.
        """
        # Out of the way of files that are opened and stay open.
        kept = [(fd, os.dup2(fd, HIGH_FD + fd, inheritable=False)) for fd in (1, 2)]
        new = os.memfd_create("said")
        said = os.dup2(new, HIGH_FD + 3, inheritable=False)
        os.close(new)
        for descriptor, _ in kept:
            os.dup2(said, descriptor)
        try:
            load()
        finally:
            for descriptor, copy in kept:
                os.dup2(copy, descriptor)
                os.close(copy)
        size = os.fstat(said).st_size
        os.close(said)
        if size:
            raise RefusedError("what it loads writes messages")

    def _note_changes(self, before: "dict[bytes, bytes]", now: "dict[bytes, bytes]") -> None:
        """Note how the environment was changed, which forks are to find so."""
        self._changes = {
            name: now.get(name) for name in {*before, *now} if before.get(name) != now.get(name)
        }

    def serve(self) -> None:
        """Serve until the launcher is gone. Returns in a fork only, which is to run the script."""
        try:
            self._load()
        except RefusedError as error:
            self._answer(b"N", str(error))
            os._exit(0)
        except BaseException as error:
            self._answer(b"N", f"{type(error).__name__}: {error}")
            os._exit(0)
        os.chdir("/")
        self._answer(b"Y")
        while True:
            kind, ancillary, _, _ = self._socket.recvmsg(1, 256)
            if kind == b"K":
                self._kill_others()
            elif kind == b"R":
                if self._run(self._fields(), *self._descriptors(ancillary)):
                    return
            else:
                os._exit(0)

    def _check_threads(self) -> None:
        """See that there is no thread that a fork would lack; OpenBLAS ends its own before one."""
        probe = os.fork()
        if not probe:
            os._exit(0)
        os.waitpid(probe, 0)
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
            raise RefusedError("what it loads starts threads")

    def _run(self, fields: "list[bytes]", stdin: int, go: int, report: int) -> bool:
        """Fork and see to the fork's end; True in the fork, once it may go on to the script."""
        stale = self._stale()
        if stale:
            self._answer(b"C", stale)
            return False
        told, tell = os.pipe()
        server = os.getpid()
        try:
            child = os.fork()
        except OSError as error:
            os.close(told)
            os.close(tell)
            self._answer(b"C", f"fork: {error.strerror}")
            return False
        if not child:
            os.close(told)
            self._become(server, fields, stdin, go, report, tell)
            return True
        os.close(tell)
        for descriptor in (stdin, go, report):
            os.close(descriptor)
        ready = os.read(told, 1)
        os.close(told)
        if ready:
            self._answer(b"P", str(child))
        _, status = os.waitpid(child, 0)
        if ready:
            self._answer(b"X", str(status))
        else:
            self._answer(b"C", "its fork failed")
        return False

    def _become(
        self,
        server: int,
        fields: "list[bytes]",
        stdin: int,
        go: int,
        report: int,
        tell: int,
    ) -> None:
        """Take a command's place, and wait for the word to start."""
        try:
            self._fork = os.getpid()
            dies_with_server, folder, *variables = fields
            self._socket.detach()
            os.close(self._requests)
            os.setsid()
            os.dup2(stdin, 0)
            os.close(stdin)
            os.chdir(folder)
            self._set_environment(variables)
            if dies_with_server:
                _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
                if os.getppid() != server:
                    os._exit(137)  # it died before the line above
            self._prepare(report)
            os.write(tell, b"+")
            os.close(tell)
            if os.read(go, 1) != b"g":
                os._exit(137)
            os.close(go)
        except BaseException:
            os._exit(1)

    def _set_environment(self, variables: "list[bytes]") -> None:
        os.environb.clear()
        for variable in variables:
            name, _, value = variable.partition(b"=")
            os.environb[name] = value
        for name, changed in self._changes.items():
            if changed is None:
                os.environb.pop(name, None)
            else:
                os.environb[name] = changed

    def _kill_others(self) -> None:
        """Kill all but process 1 and this one: in a PID namespace, what a command has left."""
        try:  # noqa: SIM105 - not every interpreter has contextlib
            os.kill(-1, _SIGKILL)
        except ProcessLookupError:
            pass
        self._answer(b"K")

    def _answer(self, kind: bytes, text: str = "") -> None:
        field = text.encode(errors="replace")
        payload = len(field).to_bytes(4, "big") + field
        try:
            self._socket.sendall(kind + len(payload).to_bytes(4, "big") + payload)
        except OSError:
            os._exit(0)

    def _descriptors(self, ancillary: "list[tuple[int, int, bytes]]") -> "list[int]":
        data = b"".join(data for level, kind, data in ancillary if (level, kind) == self._rights)
        return [int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data), 4)]

    def _fields(self) -> "list[bytes]":
        payload = self._read(int.from_bytes(self._read(4), "big"))
        fields = []
        at = 0
        while at < len(payload):
            start = at + 4
            at = start + int.from_bytes(payload[at:start], "big")
            fields.append(payload[start:at])
        return fields

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._socket.recv(min(size, 1 << 20))
            if not part:
                os._exit(0)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def stamp(path: str) -> "tuple[int, int, int] | None":
    """What changes with a file; None if it isn't there."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _prctl(option: int, value: int) -> None:
    """prctl(2), through the part of ctypes that is written in C."""
    ctypes = __import__("_ctypes")
    address = ctypes.dlsym(ctypes.dlopen(None, 0), "prctl")
    ctypes.call_function(address, (option, value, 0, 0, 0))
