"""Containers that a daemon left when it was killed, or when Docker was away as it stopped.

A mark in the scratch folder says that there may be some, so that whoever takes the store next looks
for them, whatever its runtime, and nobody else has to load what talks to Docker.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from pathlib import Path

from pachlocal.errors import InfrastructureError

from .folders import CONTAINERS_MARK, prepare_scratch

STORE_LABEL = "io.pachlocal.store"
"""The label of a container whose value is the scratch folder of its daemon."""

_TIMEOUT_S = 3.0  # of a call


def expect(scratch: Path) -> None:
    """Note that from now on there may be containers of this scratch folder."""
    (scratch / CONTAINERS_MARK).write_text(os.environ.get("DOCKER_HOST", ""))


def forget(scratch: Path) -> None:
    """Note that there are none any more."""
    (scratch / CONTAINERS_MARK).unlink(missing_ok=True)


def remove(scratch: Path) -> str:
    """Remove the containers of a scratch folder whose daemon is dead, if there are any.

    Returns:
        Why that is not possible now, in a sentence; empty when none is left. A Docker that hangs
        is given up after some seconds; the next time is as good.
    """
    scratch = scratch.absolute()
    try:
        host = (scratch / CONTAINERS_MARK).read_text()
    except FileNotFoundError:
        return ""
    try:
        from .docker.engine import Engine  # an extra, and slow to load

        with closing(Engine(host, _TIMEOUT_S)) as engine:
            for container in engine.labelled(STORE_LABEL, str(scratch)):
                engine.remove(container)
    except ModuleNotFoundError as error:
        return _left(f"the module {error.name} is missing: pip install 'pachlocal[docker]'")
    except InfrastructureError as error:
        return _left(str(error))
    forget(scratch)
    return ""


def _left(reason: str) -> str:
    return f"containers of an earlier run may remain, the next start checks again: {reason}"


def main() -> int:
    """Empty a scratch folder of which no daemon is in charge: that of `pachlocal reset`."""
    scratch = Path(sys.argv[1])
    problem = remove(scratch)
    if problem:
        print(problem)
    with suppress(FileNotFoundError):
        prepare_scratch(scratch).join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
