"""A Markdown page as prose, commands (```sh) and what they print (```text, right below).

Above commands, `<!-- not run -->` leaves them alone, `<!-- exit code 1 -->` says how they end, and
`<!-- new store -->` runs them on a store that nothing else of the page sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_BLOCK = re.compile(
    r"(?P<head>(?:<!-- (?:(?P<idle>not run)|(?P<alone>new store)|exit code (?P<code>\d+)) -->\n+)?"
    r"```sh\n)"
    r"(?P<commands>.*?)^```\n"
    r"(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """Commands that a reader types.

    Attributes:
        line: Where they begin in the page.
        commands: Lines of shell.
        code: The exit code that the last one must have.
        output: What the page says that they print.
        alone: They have a store of their own.
    """

    line: int
    commands: str
    code: int
    output: str
    alone: bool = False


def blocks(text: str) -> list[Block]:
    """Returns what is to be run, in its order."""
    return [_block(text, match) for match in _BLOCK.finditer(text) if not match["idle"]]


def rewritten(text: str, run: Callable[[Block], str]) -> str:
    """Returns a page with what its commands print now.

    Args:
        text: The page.
        run: Runs commands and returns what they print.
    """

    def replaced(match: re.Match[str]) -> str:
        if match["idle"]:
            return match[0]
        output = run(_block(text, match))
        shown = f"\n```text\n{output}```\n" if output else ""
        return f"{match['head']}{match['commands']}```\n{shown}"

    return _BLOCK.sub(replaced, text)


def _block(text: str, match: re.Match[str]) -> Block:
    line = text.count("\n", 0, match.start("commands")) + 1
    return Block(
        line,
        match["commands"],
        int(match["code"] or 0),
        match["output"] or "",
        bool(match["alone"]),
    )
