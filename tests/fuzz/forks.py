"""Runs our two programs many times: each in a fork of a process that has them loaded.

To start Python and load gRPC takes a hundred times as long as most commands do. A fork has its own
arguments, environment, folder and streams, like a process that is started; what differs is tested
with processes.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_POLL_S = 0.005
TIMED_OUT = -1


@dataclass(frozen=True)
class Result:
    """What a command did.

    Attributes:
        code: Its exit code; TIMED_OUT if it had to be ended.
        stdout: What it printed.
        stderr: What it printed on standard error.
    """

    code: int
    stdout: bytes
    stderr: bytes


class Forks:
    """A process that forks for each command; `close` ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "fuzz.forks"]
        path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def run(
        self,
        words: Sequence[bytes],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes = b"",
        timeout_s: float,
    ) -> Result:
        """Runs a command; the first word is the program."""
        (self._folder / "stdin").write_bytes(stdin)
        request = {
            "words": [base64.b64encode(word).decode() for word in words],
            "cwd": str(cwd),
            "env": dict(env),
            "folder": str(self._folder),
            "timeout_s": timeout_s,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        streams = ((self._folder / name).read_bytes() for name in ("stdout", "stderr"))
        return Result(code, *streams)

    def __enter__(self) -> Forks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def _serve() -> None:
    import pachlocal.cli.pachctl.client.connection
    import pachlocal.cli.pachctl.root
    import pachlocal.cli.pachlocal
    import pachlocal.proto.pps_pb2_grpc
    import pachlocal.proto.transaction_pb2_grpc  # noqa: F401 - loaded for the forks

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _be(request)
        print(_wait(child, request["timeout_s"]), flush=True)


def _wait(child: int, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TIMED_OUT


def _be(request: dict[str, Any]) -> None:
    """Be the command, and end."""
    os.setsid()
    folder = request["folder"]
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(f"{folder}/{name}", flags), descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [os.fsdecode(base64.b64decode(word)) for word in request["words"]]
    os._exit(_main())


def _main() -> int:
    from pachlocal.cli import pachctl, pachlocal

    code: object = 1
    try:
        code = pachctl.main() if sys.argv[0] == "pachctl" else pachlocal.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code) if isinstance(code, int) else 0


if __name__ == "__main__":
    _serve()
