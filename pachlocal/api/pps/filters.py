"""The jq filters of lists: which jobs and pipelines a client wants.

A filter is a program of the caller's, see `foreign_code`; that of pachctl's `--state`, which asks
for states alone, is seen through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from pachlocal.api.pps import foreign_code

_AT_ONCE = 2000  # messages, some 2 KB each
_TERM = re.compile(r'\(?\s*\.state\s*==\s*"(\w+)"\s*\)?')  # no way to match it in two ways


class _Enum(Protocol):
    def Value(self, name: str) -> Any: ...  # noqa: N802 - protobuf's own name


class _Stateful(Protocol):
    @property
    def state(self) -> int: ...


_T = TypeVar("_T", bound=_Stateful)


def kept(
    jq: str, items: Iterable[_T], states: _Enum, message_of: Callable[[_T], Message]
) -> Iterator[_T]:
    """Yield what passes a filter: its first result is neither false nor null.

    Args:
        jq: The filter; empty to let all pass.
        items: Records with a state.
        states: The names of the states.
        message_of: Returns the message that the filter sees, as JSON with snake_case names.

    Raises:
        InvalidArgumentError: It is not a jq program, fails, or takes too long.
    """
    if not jq.strip():
        yield from items
        return
    wanted = _states(jq, states)
    if wanted is not None:
        yield from (item for item in items if item.state in wanted)
        return
    ahead = iter(items)
    part = list(islice(ahead, _AT_ONCE))
    while True:  # also with nothing to filter, which says whether it is a program at all
        verdicts = _verdicts(jq, [_json(message_of(item)) for item in part])
        yield from (item for item, passes in zip(part, verdicts, strict=True) if passes)
        part = list(islice(ahead, _AT_ONCE))
        if not part:
            return


def _states(jq: str, states: _Enum) -> set[int] | None:
    """Return the states that a filter lets pass, if it is about nothing else."""
    wanted: set[int] = set()
    for term in re.split(r"\bor\b", jq):
        match = _TERM.fullmatch(term.strip())
        if match is None:
            return None
        try:
            wanted.add(states.Value(match[1]))
        except ValueError:
            continue  # nothing has it
    return wanted


def _json(message: Message) -> str:
    return json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True))


def _verdicts(jq: str, documents: Sequence[str]) -> list[bool]:
    given = "\n".join([json.dumps(jq), *documents])
    said = foreign_code.run("jq_program.py", given, "error applying jq filter on proto message")
    return [verdict == "1" for verdict in said.splitlines()]
