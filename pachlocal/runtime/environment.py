"""The environment that commands inherit: what a container would have, with our interpreter on PATH.

What else the shell has that the daemon was started from (credentials, PYTHONPATH, a locale) is not
there on a cluster, and must not make a pipeline work here that fails there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# Of the daemon's own start, and wrong for the programs that it starts: they are in a worker, and
# the clients of Pachyderm among them must not take the user's settings for where that is.
_DROPPED = (
    *("OLDPWD", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"),
    *("PACHD_ADDRESS", "PACH_CONFIG", "PACH_CONTEXT", "PACH_PYTHON_AUTH_TOKEN"),
)


# What says where this machine has its programs and libraries, and how it reaches the network: an
# image has the like built in.
_OF_THE_MACHINE = {
    *(
        "HOME",
        "PATH",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
    ),
    *("CONDA_PREFIX", "JAVA_HOME", "R_HOME", "R_LIBS", "R_LIBS_SITE", "R_LIBS_USER"),
    *("SSL_CERT_DIR", "SSL_CERT_FILE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}
_PREFIXES = ("JULIA_", "JULIAUP_", "PYENV_")
_LANG = "C.UTF-8"  # that of images with Python, Julia or R


def container_environment(base: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """Return what a container would have of an environment.

    Args:
        base: What to choose from, usually `os.environ`.
        more: The names of further variables that are wanted.
    """
    wanted = _OF_THE_MACHINE | set(more)
    env = {
        name: value for name, value in base.items() if name in wanted or name.startswith(_PREFIXES)
    }
    # macOS has no such locale.
    default = _LANG if sys.platform == "linux" else base.get("LANG", "en_US.UTF-8")
    env.setdefault("LANG", default)
    return env


def interpreter_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment in which `python3` is the interpreter that runs pachlocal.

    Args:
        base: What to start from, usually `os.environ`.
    """
    env = {name: value for name, value in base.items() if name not in _DROPPED}
    programs = str(Path(sys.executable).parent)
    path = env.get("PATH") or os.defpath
    if path.split(":")[0] != programs:
        path = f"{programs}:{path}"
    env["PATH"] = path
    if sys.prefix != sys.base_prefix:
        env["VIRTUAL_ENV"] = sys.prefix
    return env
