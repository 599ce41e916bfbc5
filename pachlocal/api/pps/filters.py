"""The jq filters that pachctl sends: only terms `.state == "X"` joined by `or`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from pachlocal.errors import UnsupportedError

_TERM = re.compile(r'\s*\(?\s*\.state\s*==\s*"(\w+)"\s*\)?\s*')


class _Enum(Protocol):
    def Value(self, name: str) -> Any: ...  # noqa: N802 - protobuf's own name


def parse(jq: str, states: _Enum) -> Callable[[int], bool]:
    """Return what tells whether a state passes a filter; an empty one lets all pass.

    Raises:
        UnsupportedError: The filter has another form.
    """
    if not jq.strip():
        return lambda _: True
    wanted: set[int] = set()
    for term in re.split(r"\bor\b", jq):
        match = _TERM.fullmatch(term)
        if match is None:
            raise UnsupportedError(f"only filters by state are served, not {jq!r}")
        try:
            wanted.add(states.Value(match[1]))
        except ValueError:
            raise UnsupportedError(f"no state is named {match[1]!r}") from None
    return wanted.__contains__
