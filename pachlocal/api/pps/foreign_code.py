"""Running what callers have written, a filter or a template, where it harms nobody.

It may run for ever, and want all memory there is: it gets a process of its own, with bounds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pachlocal.errors import DeadlineError, InvalidArgumentError, UnsupportedError
from pachlocal.thread_affinity import spread

LIMIT_S = 10
MISSING = 3
"""The exit code of a program that lacks the library that it is for; it says which."""

_FOLDER = Path(__file__).parent


def run(program: str, given: str, what: str) -> str:
    """Run one of the programs of this folder over a text, and return what it prints.

    Args:
        program: The name of its file. It says what is wrong with the text in its last line to
            stderr, with exit code 1.
        given: Its standard input.
        what: What is going on, for messages.

    Raises:
        DeadlineError: It takes too long.
        InvalidArgumentError: The text is wrong, or needs too much memory.
        UnsupportedError: The library for it isn't installed.
    """
    spread()  # the program begins on the cores that its starter has
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_FOLDER / program)],
            input=given,
            capture_output=True,
            check=False,
            cwd="/",
            encoding="utf-8",
            env={},  # foreign code can ask for it
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise DeadlineError(f"{what}: it takes longer than {LIMIT_S} s") from None
    if done.returncode == 0:
        return done.stdout
    if done.returncode not in (1, MISSING):
        raise InvalidArgumentError(f"{what}: it needs too much memory")
    said = done.stderr.strip().splitlines()[-1]
    raise UnsupportedError(said) if done.returncode == MISSING else InvalidArgumentError(said)
