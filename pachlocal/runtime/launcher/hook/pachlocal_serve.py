"""The server in an interpreter: imports in advance what was learned, then forks when asked to."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_SIGKILL = 9
# What an installer does is seen by the folders; seeing that a file was written over takes 5 ms.
_FILES_CHECKED_S = 1.0
_OWN = {"_socket", "_ctypes", "atexit", "sitecustomize"}


class _RefusedError(Exception):
    """A fork of this interpreter would not be what a fresh one is; the message says why."""


class Server:
    """Answers the launcher; see `frames.py` for the form, `warm.py` for what is said."""

    def __init__(self, requests: int, learned: int, common: "ModuleType") -> None:
        """Take over descriptors.

        Args:
            requests: A socket to the launcher.
            learned: A file with the report of a run that has learned.
            common: The module pachlocal_learn.
        """
        import _socket  # `socket` would bring modules that a script may not have

        os.set_inheritable(requests, False)
        self._requests = requests
        self._socket = _socket.socket(fileno=requests)
        self._rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        self._common = common
        with os.fdopen(learned, "rb") as file:
            _, count, *parts = file.read().split(b"\0")
        self._watched = [os.fsdecode(folder) for folder in parts[: int(count)]]
        facts = iter(parts[int(count) : -1])
        self._learned = {
            os.fsdecode(name): (os.fsdecode(origin), kind)
            for name, origin, kind in zip(facts, facts, facts)  # noqa: B905 - of 3.10 on
        }
        self._fork = 0  # the process that is to run the script
        self._at_start = set(sys.modules)
        self._env = dict(os.environb)

    def serve(self) -> None:
        """Serve until the launcher is gone. Returns in a fork only, which is to run the script."""
        try:
            self._load()
        except _RefusedError as error:
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

    def _load(self) -> None:
        """Import what was learned, and see that it is what the script would get.

        Raises:
            _RefusedError: It isn't, or a fork of this process can't be trusted.
        """
        self._common.at_exit(self._spare_modules)  # the first to register is the last to be called
        kept = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
        said = os.memfd_create("said")
        for descriptor, _ in kept:
            os.dup2(said, descriptor)
        try:
            for name, (_, kind) in self._learned.items():
                if kind == self._common.LOAD:
                    __import__(name)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            for descriptor, copy in kept:
                os.dup2(copy, descriptor)
                os.close(copy)
        if os.fstat(said).st_size:
            raise _RefusedError("what it imports writes messages")
        os.close(said)
        self._loaded = {name for name in sys.modules if name not in self._at_start} - _OWN
        for name in self._loaded:
            origin, kind = self._learned.get(name, ("", self._common.MUST_NOT))
            if kind == self._common.MUST_NOT or origin != self._common.origin_of(sys.modules[name]):
                raise _RefusedError(f"{name} would be another module than the script's")
        self._tops = {name.partition(".")[0] for name in self._loaded}
        files = {self._common.origin_of(sys.modules[name]) for name in self._loaded}
        folders = {os.path.dirname(path) for path in files} | {*sys.path}  # noqa: PTH120
        self._stamps = {path: _stamp(path) for path in files if path.startswith("/")}
        self._folders = {path: _stamp(path) for path in folders if path.startswith("/")}
        self._clock = __import__("time").monotonic
        self._checked = self._clock()
        now = dict(os.environb)
        self._changes = {
            name: now.get(name)
            for name in {*self._env, *now}
            if self._env.get(name) != now.get(name)
        }
        self._check_threads()
        self._freeze()

    def _freeze(self) -> None:
        """Keep forks from copying all pages just to look for garbage, or to take modules apart."""
        import gc

        gc.collect()
        modules: list[object] = [{name: sys.modules[name] for name in self._loaded}]
        modules.append(modules)  # a circle that is frozen is never freed, nor is what it holds
        gc.freeze()

    def _spare_modules(self) -> None:
        """Let the interpreter end without taking apart what was loaded: that is half its time.

        The script's own modules end as ever. Where the script leaves what acts when it is freed (an
        open file, a `__del__`), nothing is spared: it may be a module of the library that holds it.
        """
        import gc

        if os.getpid() != self._fork:
            return
        if any(hasattr(kind, "__del__") for kind in {type(it) for it in gc.get_objects()}):
            return
        for name in self._loaded:
            sys.modules.pop(name, None)

    def _check_threads(self) -> None:
        """See that there is no thread that a fork would lack; OpenBLAS ends its own before one."""
        probe = os.fork()
        if not probe:
            os._exit(0)
        os.waitpid(probe, 0)
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
            raise _RefusedError("what it imports starts threads")

    def _stale(self) -> str:
        """Why what is loaded is not what the script would import now; or ""."""
        now = self._clock()
        files = self._stamps if now - self._checked > _FILES_CHECKED_S else ()
        for path in (*self._folders, *files):
            if _stamp(path) != (self._folders.get(path) or self._stamps.get(path)):
                return f"{path} has changed"
        if files:
            self._checked = now
        for folder in self._watched:
            try:
                names = os.listdir(folder)  # noqa: PTH208
            except OSError:
                continue
            for name in names:
                top, _, suffix = name.partition(".")
                if top in self._tops and suffix.rpartition(".")[2] in ("", "py", "pyc", "so"):
                    return f"{folder}/{name} comes before a module of the library"
        return ""

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
            if "numpy.random" in sys.modules:  # seeded once; `random` sees to itself
                sys.modules["numpy.random"].seed()
            if dies_with_server:
                _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
                if os.getppid() != server:
                    os._exit(137)  # it died before the line above
            self._tell_of_more(self._common.Report(report))
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

    def _tell_of_more(self, report: object) -> None:
        """Have it told when the script imports more of the library than was learned."""
        roots = self._common.library_folders()
        at_start = set(sys.modules)

        def tell() -> None:
            for name, module in list(sys.modules.items()):
                known = name in self._learned or name in at_start
                if not known and self._common.is_below(self._common.origin_of(module), roots):
                    report.write([b"more"])  # type: ignore[attr-defined]
                    return

        self._common.at_exit(tell)

    def _kill_others(self) -> None:
        """Kill all but process 1 and this one: in a PID namespace, what a command has left."""
        try:  # noqa: SIM105 - contextlib is no module that every interpreter has
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


def _stamp(path: str) -> "tuple[int, int, int] | None":
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
