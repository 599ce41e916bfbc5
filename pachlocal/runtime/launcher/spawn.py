"""Starts a program in a session of its own."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Python ignores these two, and what is ignored stays so across exec: `yes | head` would not end.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


def start(program: bytes, argv: list[bytes], env: dict[bytes, bytes], stdin: int) -> int:
    """Start a program whose output goes where this process's output goes.

    Args:
        program: The program's path.
        argv: The arguments, the program's name first.
        env: The whole environment.
        stdin: The descriptor that it reads.

    Returns:
        The process's ID, which is its process group's and session's too.

    Raises:
        OSError: The program can't be executed.
    """
    if os.getpid() == 1:
        # In a PID namespace of its own it dies with this process: no need for what only a fork
        # can set up, and posix_spawn saves half a millisecond.
        return os.posix_spawn(
            program,
            argv,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0)],
            setsid=True,
            setsigdef=_RESTORED,
        )
    return _fork_and_exec(program, argv, env, stdin)


def _fork_and_exec(program: bytes, argv: list[bytes], env: dict[bytes, bytes], stdin: int) -> int:
    failure, tell = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if not child:
        _become(program, argv, env, stdin, parent, tell)
    os.close(tell)
    try:
        answer = os.read(failure, 16)  # nothing: exec closed the other end
    finally:
        os.close(failure)
    if answer:
        os.waitpid(child, 0)
        number = int(answer)
        raise OSError(number, os.strerror(number))
    return child


def _become(
    program: bytes,
    argv: list[bytes],
    env: dict[bytes, bytes],
    stdin: int,
    parent: int,
    tell: int,
) -> NoReturn:
    try:
        if sys.platform == "linux":
            from . import linux

            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(137)  # it died before the line above
        os.setsid()
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        os.dup2(stdin, 0)
        os.execve(program, argv, env)  # noqa: S606 - a command is what the user asks for
    except OSError as error:
        os.write(tell, str(error.errno).encode())
    finally:
        os._exit(127)
