"""A program: runs a jq filter over JSON documents, in bounded memory.

The first line of its input is the filter, as a JSON string, each other one a document. For each it
prints 1 when the filter's first result is neither false nor null, and 0 otherwise. What is wrong
with the filter it says in its last line to stderr, with exit code 1.
"""

from __future__ import annotations

import json
import resource
import sys

import jq

_MEMORY = 2**30  # bytes of addresses; jq itself takes some 50 MB
_LONGEST = 500  # characters of a message


def main() -> None:
    """Read, filter, print."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere it isn't kept, or can't be set
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    text = json.loads(sys.stdin.readline())
    try:
        program = jq.compile(text)
    except ValueError as error:
        sys.exit(f"error parsing jq filter: {_one_line(error)}")
    verdicts = []
    for line in sys.stdin:
        try:
            first = next(iter(program.input_text(line)), None)
        except ValueError as error:
            sys.exit(f"error applying jq filter on proto message: {_one_line(error)}")
        verdicts.append("0" if first is None or first is False else "1")
    sys.stdout.writelines(f"{verdict}\n" for verdict in verdicts)


def _one_line(error: ValueError) -> str:
    return " ".join(str(error).split())[:_LONGEST]  # some hold the whole program


if __name__ == "__main__":
    main()
