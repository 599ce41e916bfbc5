"""Runs in the interpreter of a user's script, before the script: what keeps it warm.

An interpreter imports `sitecustomize` as the last step of its start (the manual, "site"). Told to
learn, this one has what the script imports noted, and is not seen otherwise. Told to serve, it
stays in that last step: imports what was learned, and forks. A fork returns from here, and goes on
to the script as any interpreter does: `__main__`, sys.path[0], tracebacks and exit codes are
Python's own work.
"""

import os
import sys

_VARIABLE = "PACHLOCAL_WARM"
_HERE = os.path.dirname(__file__)  # noqa: PTH120 - see the package


def _main() -> None:
    told = os.environ.pop(_VARIABLE, "").split(" ", 2)
    if sys.version_info < (3, 10):  # noqa: UP036 - the interpreter of the script may be any
        _hide()
        _run_own()
        return
    common, serve = __import__("pachlocal_learn"), __import__("pachlocal_serve")
    for name in ("pachlocal_learn", "pachlocal_serve", "pachlocal_fork"):
        del sys.modules[name]
    _hide()
    if told[0] == "learn":
        try:
            _run_own()
        finally:
            common.learn(int(told[1]), told[2])
        return
    try:
        server = serve.PythonServer(int(told[1]), int(told[2]), common)
        try:
            _run_own()
        except ImportError as error:
            if error.name != "sitecustomize":
                raise
        server.serve()
    except BaseException:
        os._exit(1)  # a server must never get to the script
    if sys.modules.get("sitecustomize") is _OURS:
        raise _nothing()


def _hide() -> None:
    """Take back what brought us here."""
    _, _, rest = os.environ["PYTHONPATH"].partition(os.pathsep)
    if rest:
        os.environ["PYTHONPATH"] = rest
    else:
        del os.environ["PYTHONPATH"]
    sys.path.remove(_HERE)
    sys.path_importer_cache.pop(_HERE, None)


def _run_own() -> None:
    """Run the sitecustomize that this interpreter has without us.

    Raises:
        ImportError: It has none: `site` passes over this one.
    """
    del sys.modules["sitecustomize"]
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = _OURS
        raise _nothing() from None


def _nothing() -> ImportError:
    return ImportError("No module named 'sitecustomize'", name="sitecustomize")


_OURS = sys.modules["sitecustomize"]
_main()
