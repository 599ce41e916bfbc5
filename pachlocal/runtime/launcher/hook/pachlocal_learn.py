"""Notes what a script imports; what is common to that and to importing it in advance."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

_REPORT_FD = 255  # out of the way: the first file that a script opens is 3, as ever

# What a server does about a module: load it; have it when others bring it; be without it.
LOAD, MAY_COME, MUST_NOT = b"+", b"0", b"-"


def learn(descriptor: int, script: str) -> None:
    """Have what the script imports written to a file when it ends by itself.

    The report is b"ok", how many folders the script finds modules in that anybody may add to, these
    folders; name, origin and kind of each module, in the order of their imports; and b"end"; all
    with a NUL between. If it can't be learned: one sentence that says why, and b"end".

    Args:
        descriptor: A file for the report.
        script: The script's path.
    """
    folder = os.path.dirname(os.path.realpath(script))  # noqa: PTH120
    report = Report(descriptor)
    at_start = set(sys.modules)
    finders = _finders()
    roots = library_folders()
    before_change: set[str] | None = None

    def watch(event: str, _: object) -> None:
        # What a script changes in the environment may be meant for what it imports next.
        nonlocal before_change
        if event in ("os.putenv", "os.unsetenv") and before_change is None and _by_script(roots):
            before_change = set(sys.modules)

    def found() -> "list[bytes]":
        watched = {folder, *(path for path in sys.path if not is_below(path + "/", roots))}
        parts = [b"ok", b"%d" % len(watched), *map(os.fsencode, watched)]
        kinds: dict[str, bytes] = {}
        for name, module in list(sys.modules.items()):
            if name not in at_start and isinstance(name, str):
                early = before_change is None or name in before_change
                kinds[name] = _kind(name, module, roots, folder) if early else MUST_NOT
                parts += [os.fsencode(name), os.fsencode(origin_of(module)), kinds[name]]
        new = [it for it in _finders() if not any(it is known for known in finders)]
        owners = {getattr(it, "__module__", None) or type(it).__module__ for it in new}
        if any(kinds.get(owner) != LOAD for owner in owners - at_start):
            return [b"the script changes how modules are found"]
        return parts

    def tell() -> None:
        try:
            parts = found()
        except Exception as error:  # a script may leave anything in sys.modules
            parts = [f"its modules can't be listed: {type(error).__name__}".encode()]
        report.write(parts)

    sys.addaudithook(watch)
    at_exit(tell)


def _finders() -> "list[object]":
    return [*sys.meta_path, *sys.path_hooks]


def at_exit(action: "Callable[[], None]") -> None:
    """Have something called when the script has ended by itself."""
    __import__("atexit").register(action)


def library_folders() -> "list[str]":
    """The folders of modules that nobody edits between runs: the library and site-packages."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    user = getattr(sys.modules["site"], "USER_SITE", None)
    return [
        path + "/"
        for path in sys.path
        if path == user or is_below(path, [prefix + "/" for prefix in prefixes])
    ]


def is_below(path: str, folders: "list[str]") -> bool:
    """Whether a path begins with one of the folders, each with a slash at its end."""
    return any(path.startswith(folder) for folder in folders)


def origin_of(module: object) -> str:
    """Where a module came from: a path, `built-in`, `frozen`; or "" when nothing says so."""
    return str(getattr(getattr(module, "__spec__", None), "origin", None) or "")


def _kind(name: str, module: "ModuleType", roots: "list[str]", script_folder: str) -> bytes:
    spec = getattr(module, "__spec__", None)
    if spec is None:  # made by code, not by an import
        return MAY_COME
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    if places not in (["built-in"], ["frozen"]):
        for place in map(str, places):
            if not is_below(place + "/", roots) or place.startswith(script_folder + "/"):
                return MUST_NOT
    return LOAD if spec.name == name and spec.origin else MAY_COME


def _by_script(roots: "list[str]") -> bool:
    """Whether the script's own code is at work, and not what a module does when imported."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name == "<frozen importlib._bootstrap>":
            return False
        if not name.startswith("<") and not is_below(name, roots):
            return True
        frame = frame.f_back
    return True


class Report:
    """A file for what is to be told, in the process that it was given to."""

    def __init__(self, descriptor: int) -> None:
        """Put it aside, where the script does not meet it."""
        os.dup2(descriptor, _REPORT_FD, inheritable=False)
        os.close(descriptor)
        self._file = os.fstat(_REPORT_FD)
        self._pid = os.getpid()

    def write(self, parts: "list[bytes]") -> None:
        """Write it, unless this is a fork, or the script has closed what it did not open."""
        try:
            now = os.fstat(_REPORT_FD)
            if os.getpid() == self._pid and os.path.samestat(now, self._file):
                left = memoryview(b"\0".join([*parts, b"end"]))
                while left:
                    left = left[os.write(_REPORT_FD, left) :]
        except OSError:
            pass  # then nothing is told, and a later run learns
