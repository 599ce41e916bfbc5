"""Why a command did not start in a container, in Docker's words and in ours."""

from __future__ import annotations

import errno
import os
import re

from pachlocal.errors import InfrastructureError

from ..contract import Outcome
from ..invocation_check import NOT_FOUND, NOT_RUN

# What runc puts before and after the words that say why a command does not start.
_WRAPPING = re.compile(
    r"^OCI runtime exec failed: (exec failed: )?"
    r"((unable to start container process|container_linux\.go:\d+: [^:]*): )*(?P<words>.*?)"
    r"(: unknown)?$",
    re.DOTALL,
)
# What the system says when it isn't the program's fault, in the letters of Go and of C.
_OF_THE_MACHINE = tuple(
    reason
    for number in (errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC)
    for reason in (os.strerror(number).lower(), os.strerror(number))
)
_NO_FOLDER = re.compile(r'^chdir to cwd \("(?P<folder>.*)"\) set in config\.json failed: ')


def explained(words: str, platform: str) -> str:
    """Return what the system said, with what it means where that is hard to guess.

    Args:
        words: What it said.
        platform: What kind of programs the machine runs.
    """
    if "exec format error" in words:
        return f"{words}: the program is for another platform than {platform}, or no program"
    if "could not select device driver" in words:
        return f"{words}: Docker has no GPUs for containers, see NVIDIA's Container Toolkit"
    return words


def not_started(failure: str, platform: str) -> Outcome:
    """Say why a command did not start, as the process runtime says it.

    Args:
        failure: What Docker said.
        platform: See `explained`.

    Raises:
        InfrastructureError: It is not the command's fault.
    """
    match = _WRAPPING.match(failure)
    words = match["words"] if match else failure
    if any(reason in words for reason in _OF_THE_MACHINE):
        raise InfrastructureError(words)
    if folder := _NO_FOLDER.match(words):
        return Outcome(NOT_RUN, f"{folder['folder']}: {words[folder.end() :]}")
    missing = "not found" in words or "no such file" in words
    return Outcome(NOT_FOUND if missing else NOT_RUN, explained(words, platform))
