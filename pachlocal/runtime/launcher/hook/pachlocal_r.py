"""The server of R scripts: R as a library of this interpreter, forked for each run of a script.

R can't fork itself so that the script's file, standard input, session and environment are the
fork's own. So this program does what R's own main() does, by the calls that R has for programs that
embed it ("Writing R Extensions", 8.1), and forks between the start of R and the script. It
`exec`s nothing: a fork that runs the script is R, down to its exit code and its last words.

R's front end (`R -d`) starts it instead of R, with the path of R's program as argument.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from . import pachlocal_fork as fork
    from . import pachlocal_learn as common
else:
    if sys.argv[1:] == ["--version"]:  # what the front end asks any debugger
        sys.exit()
    sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120
    import pachlocal_fork as fork
    import pachlocal_learn as common

# So much room that a short script needs no garbage collection, which would copy the pages that it
# shares with the server; see R's help, "Memory". R forgets both by the first line of the script.
_ROOM = {b"R_NSIZE": b"3000000", b"R_VSIZE": b"64M"}

# What packages it has loaded, as lines of name and folder, and where it looks for packages.
_PACKAGES = """
local({
  names <- sort(loadedNamespaces(), method = "radix")
  names <- setdiff(names, "base")
  folders <- vapply(names, function(name) getNamespaceInfo(name, "path"), "")
  paste(c(.libPaths(), "", rbind(names, folders)), collapse = "\\n")
})
"""


class RServer(fork.ForkServer):
    """R, stopped before the first line of a script."""

    def __init__(self, requests: int, facts: int, binary: bytes) -> None:
        """Take over descriptors.

        Args:
            requests: A socket to the launcher.
            facts: A file that tells R's arguments, the environment that R's front end was given,
                and what is to be loaded.
            binary: The path of R's program.
        """
        super().__init__(requests, common)
        with os.fdopen(facts, "rb") as file:
            fields = iter(file.read().split(b"\0"))
        self._argv = [binary, *(next(fields) for _ in range(int(next(fields))))]
        given = [next(fields) for _ in range(int(next(fields)))]
        self._given = dict(variable.split(b"=", 1) for variable in given)
        self._learned = [*fields][1:-1]  # between b"ok" and b"end"
        self._folder = os.getcwd()  # noqa: PTH109
        self._script = b""
        self._script_fd = -1

    def run(self) -> None:
        """Run the script, in a fork: R ends the process."""
        self._r.run_Rmainloop()
        os._exit(1)

    def _load(self) -> None:
        self._quietly(self._start)
        self._quietly(self._attach)
        self._drop_traces()
        self._note_changes(self._given, _environment())
        self._check_threads()

    def _start(self) -> None:
        """Start R, up to the script."""
        _set_environment({**_initial_environment(), **_ROOM})
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        home = os.fsdecode(os.environb[b"R_HOME"])
        self._r = _R(f"{home}/lib/libR.so")
        before = _open_files()
        self._r.initialize(self._argv)
        opened = {fd: path for fd, path in _open_files().items() if fd not in before}
        script = self._argv[3].removeprefix(b"--file=")
        self._script = os.path.realpath(script)
        found = [fd for fd, path in opened.items() if path == self._script]
        if len(found) != 1:
            raise fork.RefusedError("it is not seen how R reads the script")
        self._script_fd = found[0]
        self._r.setup_Rmainloop()
        for name in _ROOM:
            os.environb.pop(name, None)

    def _attach(self) -> None:
        """Load the packages that were learned, and see where they come from."""
        self._at_start = self._packages()[1]
        for name in self._learned:
            self._r.evaluate(b"loadNamespace('%b')" % name)
        folders, packages = self._packages()
        files = [
            f"{folder}/{file}"
            for name, folder in packages.items()
            for file in ("", "DESCRIPTION", f"R/{name}.rdb", f"libs/{name}.so")
        ]
        # What R reads when it starts: its help, "Startup".
        home = os.environ["R_HOME"]
        files += [f"{home}/etc/{name}" for name in ("Rprofile.site", "Renviron", "Renviron.site")]
        for place in (self._folder, os.environ.get("HOME", "/")):
            files += [f"{place}/.Rprofile", f"{place}/.Renviron"]
        names = ("R_PROFILE", "R_PROFILE_USER", "R_ENVIRON", "R_ENVIRON_USER")
        files += [os.environ[name] for name in names if os.environ.get(name)]
        self._stamps = {path: fork.stamp(path) for path in (*folders, *files)}
        self._folders, self._loaded = folders, packages

    def _packages(self) -> "tuple[list[str], dict[str, str]]":
        """R's library folders, and the folders of loaded packages by name."""
        text = self._r.evaluate(_PACKAGES.encode()).split("\n")
        end = text.index("")
        pairs = iter(text[end + 1 :])
        return text[:end], dict(zip(pairs, pairs))  # noqa: B905 - of 3.10 on

    def _drop_traces(self) -> None:
        """Have no fork share what a fresh R has for itself."""
        # A fork makes another one before its script runs.
        self._r.evaluate(b"unlink(tempdir(), recursive = TRUE)")
        self._r.evaluate(b"suppressWarnings(rm('.Random.seed', envir = globalenv()))")
        self._r.evaluate(b"gc()")

    def _stale(self) -> str:
        for path, known in self._stamps.items():
            if fork.stamp(path) != known:
                return f"{path} has changed"
        return ""

    def _prepare(self, report: int) -> None:
        # Its own position in the file, whatever another fork has read.
        script = os.open(self._script, os.O_RDONLY)
        os.dup2(script, self._script_fd)
        os.close(script)
        self._r.evaluate(b"tempdir(check = TRUE)")
        environment = _environment()
        file = common.Report(report)

        def tell() -> None:
            # What a package does when it is loaded may hang on what the script has set before.
            if _environment() != environment:
                return
            _, packages = self._packages()
            names = [
                name
                for name, folder in packages.items()
                if name not in self._at_start and os.path.dirname(folder) in self._folders  # noqa: PTH120
            ]
            file.write([b"ok", *map(os.fsencode, names)])

        self._r.at_cleanup(tell)


class _R:
    """R's library, as programs use it that embed R."""

    def __init__(self, path: str) -> None:
        if not os.path.exists(path):  # noqa: PTH110
            raise fork.RefusedError("R was built without its library libR.so")
        # PyDLL: R's code runs in this thread alone, and takes long jumps.
        self._lib = ctypes.PyDLL(path, mode=os.RTLD_GLOBAL | os.RTLD_NOW)
        pointer = ctypes.c_void_p
        self._global = pointer.in_dll(self._lib, "R_GlobalEnv")
        self._types("R_ParseEvalString", pointer, ctypes.c_char_p, pointer)
        self._types("R_tryEvalSilent", pointer, pointer, pointer, ctypes.POINTER(ctypes.c_int))
        self._types("Rf_asChar", pointer, pointer)
        self._types("R_CHAR", ctypes.c_char_p, pointer)
        self._types("R_PreserveObject", None, pointer)
        self._types("R_ReleaseObject", None, pointer)

    def _types(self, name: str, result: object, *arguments: object) -> None:
        function = getattr(self._lib, name)
        function.restype, function.argtypes = result, arguments

    def initialize(self, argv: "list[bytes]") -> None:
        ctypes.c_int.in_dll(self._lib, "R_running_as_main_program").value = 1
        self._argv = (ctypes.c_char_p * (len(argv) + 1))(*argv)  # R keeps it
        self._lib.Rf_initialize_R(len(argv), self._argv)

    def setup_Rmainloop(self) -> None:  # noqa: N802 - R's own name
        self._lib.setup_Rmainloop()

    def run_Rmainloop(self) -> None:  # noqa: N802
        self._lib.run_Rmainloop()

    def evaluate(self, code: bytes) -> str:
        """Evaluate an expression whose syntax is right.

        Returns:
            Its value, as a string.

        Raises:
            RefusedError: It fails.
        """
        failed = ctypes.c_int(0)
        call = self._lib.R_ParseEvalString(b"quote({%b\n})" % code, self._global)
        self._lib.R_PreserveObject(call)
        value = self._lib.R_tryEvalSilent(call, self._global, ctypes.byref(failed))
        self._lib.R_ReleaseObject(call)
        if failed.value:
            raise fork.RefusedError(f"R fails at {code.decode()}")
        text = self._lib.R_CHAR(self._lib.Rf_asChar(value))
        return os.fsdecode(text or b"")

    def at_cleanup(self, tell: "Callable[[], None]") -> None:
        """Have something called when R is about to end the process, by itself."""
        kind = ctypes.PYFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_int)
        place = ctypes.c_void_p.in_dll(self._lib, "ptr_R_CleanUp")
        clean_up = kind(place.value or 0)
        process = os.getpid()

        def call(save: int, status: int, last: int) -> None:
            if status == 0 and os.getpid() == process:
                with contextlib.suppress(Exception):  # then nothing is learned
                    tell()
            clean_up(save, status, last)

        self._cleanup = kind(call)
        place.value = ctypes.cast(self._cleanup, ctypes.c_void_p).value


def _initial_environment() -> "dict[bytes, bytes]":
    """What this process was started with: Python may have set LC_CTYPE since."""
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123
        variables = file.read().split(b"\0")[:-1]
    found = dict(variable.split(b"=", 1) for variable in variables if b"=" in variable)
    del found[b"PACHLOCAL_WARM"]
    return found


def _set_environment(env: "dict[bytes, bytes]") -> None:
    os.environb.clear()
    os.environb.update(env)


def _environment() -> "dict[bytes, bytes]":
    """The process's environment as C has it: Python doesn't see what R has set."""
    variables = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found = {}
    place = 0
    while variables and (variable := variables[place]):
        name, _, value = variable.partition(b"=")
        found[name] = value
        place += 1
    return found


def _open_files() -> "dict[int, bytes]":
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            found[int(name)] = os.readlink(os.fsencode(f"/proc/self/fd/{name}"))  # noqa: PTH115
        except OSError:
            continue  # the listing's own
    return found


def _main() -> None:
    requests, facts = map(int, os.environ["PACHLOCAL_WARM"].split())
    # Out of the way: the script's file is 3, as ever.
    requests = fcntl.fcntl(requests, fcntl.F_DUPFD_CLOEXEC, fork.HIGH_FD)
    os.closerange(3, facts)
    os.closerange(facts + 1, fork.HIGH_FD)
    try:
        server = RServer(requests, facts, os.fsencode(sys.argv[1]))
        server.serve()
        server.run()
    finally:
        os._exit(1)


if __name__ == "__main__":
    _main()
