"""Runs our programs in processes of bounded memory, by forks of one that has loaded them.

Reads a case a line, JSON, and answers with a line each.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
from typing import Any

import pachlocal.cli.pachctl
import pachlocal.cli.pachctl.client.connection
import pachlocal.cli.pachctl.pps.plan
import pachlocal.cli.pachctl.pps.secrets
import pachlocal.cli.pachctl.pps.specification
import pachlocal.cli.pachctl.root
import pachlocal.cli.pachctl.server.contexts
import pachlocal.cli.pachctl.server.transactions
import pachlocal.cli.pachlocal
import pachlocal.cli.pachlocal.transfer.importing
import pachlocal.lint
import pachlocal.replay

PROGRAMS = {
    "pachctl": pachlocal.cli.pachctl.main,
    "pachlocal": pachlocal.cli.pachlocal.main,
    "replay": pachlocal.replay.main,
    "lint": pachlocal.lint.main,
}
MEMORY = 3 * 2**30  # of addresses: gRPC's threads reserve much
TIME_S = 60


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Run a program; return its exit code, outputs, memory in bytes, and seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        child = os.fork()
        if not child:
            become(case, out.fileno(), err.fileno())
        _, status, used = os.wait4(child, 0)
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "out": out.read(1 << 16).decode(errors="replace"),
            "err": err.read(1 << 16).decode(errors="replace"),
            "memory": used.ru_maxrss * 1024,
            "seconds": time.monotonic() - begun,
        }


def become(case: dict[str, Any], out: int, err: int) -> None:
    code: object = 99
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
        signal.alarm(TIME_S)
        os.environ.update(case["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), line_buffering=True)
            for number in (1, 2)
        )
        try:
            code = PROGRAMS[case["program"]](case["words"])
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1 if code else 0)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
