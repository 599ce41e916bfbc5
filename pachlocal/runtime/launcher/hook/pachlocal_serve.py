"""The server of Python scripts: imports in advance what was learned."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from . import pachlocal_fork as fork
else:
    import pachlocal_fork as fork

# What an installer does is seen by the folders; seeing that a file was written over takes 5 ms.
_FILES_CHECKED_S = 1.0
_OWN = {"_socket", "_ctypes", "atexit", "sitecustomize"}


class PythonServer(fork.ForkServer):
    """An interpreter that is forked for each run of a script."""

    def __init__(self, requests: int, learned: int, common: "ModuleType") -> None:
        """Take over descriptors.

        Args:
            requests: A socket to the launcher.
            learned: A file with the report of a run that has learned.
            common: The module pachlocal_learn.
        """
        super().__init__(requests, common)
        with os.fdopen(learned, "rb") as file:
            _, count, *parts = file.read().split(b"\0")
        self._watched = [os.fsdecode(folder) for folder in parts[: int(count)]]
        facts = iter(parts[int(count) : -1])
        self._learned = {
            os.fsdecode(name): (os.fsdecode(origin), kind)
            for name, origin, kind in zip(facts, facts, facts)  # noqa: B905 - of 3.10 on
        }
        self._at_start = set(sys.modules)
        self._env = dict(os.environb)

    def _load(self) -> None:
        self._common.at_exit(self._spare_modules)  # the first to register is the last to be called
        self._quietly(self._import)
        self._loaded = {name for name in sys.modules if name not in self._at_start} - _OWN
        for name in self._loaded:
            origin, kind = self._learned.get(name, ("", self._common.MUST_NOT))
            if kind == self._common.MUST_NOT or origin != self._common.origin_of(sys.modules[name]):
                raise fork.RefusedError(f"{name} would be another module than the script's")
        self._tops = {name.partition(".")[0] for name in self._loaded}
        files = {self._common.origin_of(sys.modules[name]) for name in self._loaded}
        folders = {os.path.dirname(path) for path in files} | {*sys.path}  # noqa: PTH120
        self._stamps = {path: fork.stamp(path) for path in files if path.startswith("/")}
        self._folders = {path: fork.stamp(path) for path in folders if path.startswith("/")}
        self._clock = __import__("time").monotonic
        self._checked = self._clock()
        self._note_changes(self._env, dict(os.environb))
        self._check_threads()
        self._freeze()

    def _import(self) -> None:
        for name, (_, kind) in self._learned.items():
            if kind == self._common.LOAD:
                __import__(name)
        sys.stdout.flush()
        sys.stderr.flush()

    def _prepare(self, report: int) -> None:
        if "numpy.random" in sys.modules:  # seeded once; `random` sees to itself
            sys.modules["numpy.random"].seed()
        self._tell_of_more(self._common.Report(report))

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

    def _stale(self) -> str:
        now = self._clock()
        files = self._stamps if now - self._checked > _FILES_CHECKED_S else ()
        for path in (*self._folders, *files):
            if fork.stamp(path) != (self._folders.get(path) or self._stamps.get(path)):
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
