"""The environment that commands inherit: the daemon's own, with its interpreter first on PATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# Of the daemon's own start, and wrong for the programs that it starts: they are in a worker, and
# the clients of Pachyderm among them must not take the user's settings for where that is.
_DROPPED = (
    *("OLDPWD", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"),
    *("PACHD_ADDRESS", "PACH_CONFIG", "PACH_CONTEXT"),
)


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
