"""Finds a command's program, and says in words why it can't be started.

The words are those of Go's os/exec, which Pachyderm's worker passes on to its users.
"""

from __future__ import annotations

import errno
import os

NOT_FOUND = 127  # the exit codes of a shell, POSIX "Shell Command Language", 2.8.2
NOT_EXECUTABLE = 126

# What execve(2), chdir(2), fork(2) and pipe(2) say when it isn't the program's fault.
_OF_THE_MACHINE = (errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_ADVICE = {
    "Rscript": "install R from https://cran.r-project.org or your system's packages (r-base)",
    "R": "install R from https://cran.r-project.org or your system's packages (r-base)",
    "julia": "install Julia from https://julialang.org/downloads",
}


class StartError(Exception):
    """A command can't be started.

    Attributes:
        code: The exit code that a shell would give it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnableError(Exception):
    """The machine lacks what it takes to start a command; the message says what."""


def find(name: bytes, path: bytes) -> bytes:
    """Find a program, as execvp(3) does.

    Args:
        name: The program; with a slash it is a path already.
        path: The value of PATH; an empty part is the current folder.

    Raises:
        StartError: There is no such program, or it may not be executed.
    """
    if b"/" in name:
        return name
    refused = False
    for folder in path.split(b":"):
        candidate = os.path.join(folder, name)  # noqa: PTH118 - bytes, and pathlib is slow to load
        if os.path.isfile(candidate):  # noqa: PTH113
            if os.access(candidate, os.X_OK):
                return candidate
            refused = True
    shown = os.fsdecode(name)
    if refused:
        raise StartError(NOT_EXECUTABLE, f'exec: "{shown}": permission denied')
    message = f'exec: "{shown}": executable file not found in $PATH'
    if advice := _ADVICE.get(shown):
        message += f"; {advice}, or use the docker runtime"
    raise StartError(NOT_FOUND, message)


def is_of_the_machine(error: OSError) -> bool:
    """Whether a command was not started for want of memory, processes or descriptors."""
    return error.errno in _OF_THE_MACHINE


def explain(program: bytes, error: OSError) -> StartError | UnableError:
    """Turn the failure of execve(2) into words."""
    shown = os.fsdecode(program)
    message = f"fork/exec {shown}: {os.strerror(error.errno or 0).lower()}"
    if is_of_the_machine(error):
        return UnableError(message)
    if error.errno != errno.ENOENT:
        return StartError(NOT_EXECUTABLE, message)
    if os.path.exists(program):  # noqa: PTH110
        message += " (the interpreter that its first line names is missing)"
    return StartError(NOT_FOUND, message)
