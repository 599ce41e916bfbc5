"""What can be told of a command before it is tried."""

from __future__ import annotations

from .contract import Invocation, Outcome

NOT_FOUND = 127
"""A shell's exit code for a command that it does not find."""

NOT_RUN = 126
"""A shell's exit code for what it found and could not run."""

KILLED = 137
"""The exit code of what SIGKILL ended."""

STOPPED = "the command was stopped"


def refuse(invocation: Invocation) -> Outcome | None:
    """Why a command can't be run whatever the machine holds, if so."""
    if not invocation.cmd or not invocation.cmd[0]:
        return Outcome(NOT_RUN, "invalid pipeline transform, no command specified")
    if invocation.working_dir is not None and not invocation.working_dir.startswith("/"):
        shown = invocation.working_dir
        return Outcome(NOT_RUN, f"working directory {shown!r} is not an absolute path")
    for name, value in invocation.env.items():
        if not name or "=" in name or "\0" in name + value:
            return Outcome(NOT_RUN, f"environment variable {name!r}: not a name and a value")
    for argument in invocation.cmd:
        if "\0" in argument:
            return Outcome(NOT_RUN, f"argument {argument!r} holds a NUL character")
    return None


def timeout_reason(timeout_s: float) -> str:
    """Say that a command was ended for its time limit."""
    return f"datum timeout of {timeout_s:g}s exceeded"
