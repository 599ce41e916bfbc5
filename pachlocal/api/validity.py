"""What no request may hold, whatever the call: unknown enum values, and times out of range.

Proto3 lets both through. Which fields of a message can have them is found once, from its
descriptor; a message that can't, such as those that files are made of, is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pachlocal.errors import InvalidArgumentError

Check: TypeAlias = Callable[[Message], None]

_TIMES = (Timestamp.DESCRIPTOR, Duration.DESCRIPTOR)


def checker(kind: Descriptor) -> Check | None:
    """Return what checks messages of a kind, see `check`; None when none can be wrong."""
    return check if _critical(kind) else None


def check(message: Message) -> None:
    """Refuse a message that holds what no request may hold.

    Raises:
        InvalidArgumentError: The message names the field.
    """
    _check(message, ())


def _check(message: Any, path: tuple[str, ...]) -> None:
    kind = message.DESCRIPTOR
    if kind in _TIMES:
        _check_time(message, path)
        return
    critical = _critical(kind)
    for field, value in message.ListFields():
        if field.name in critical:
            where = (*path, field.name)
            for one in _values(field, value):
                if field.enum_type is None:
                    _check(one, where)
                elif one not in field.enum_type.values_by_number:
                    why = f"{one} is not a value of {field.enum_type.name}"
                    raise InvalidArgumentError(f"validate request: {'.'.join(where)}: {why}")


def _check_time(message: Timestamp | Duration, path: tuple[str, ...]) -> None:
    try:
        message.ToJsonString()  # what checks both kinds
    except ValueError as error:
        raise InvalidArgumentError(f"validate request: {'.'.join(path)}: {error}") from None


def _values(field: FieldDescriptor, value: Any) -> Iterator[Any]:
    if not field.is_repeated:
        yield value
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from value.values()
    else:
        yield from value


@cache
def _critical(kind: Descriptor) -> frozenset[str]:
    """Return the fields of a message through which a value can be reached that may be wrong."""
    reached = {kind: _neighbours(kind)}
    waiting = [kind]
    while waiting:
        for below in reached[waiting.pop()]:
            if below is not None and below not in reached:
                reached[below] = _neighbours(below)
                waiting.append(below)
    critical = {found for found, below in reached.items() if None in below}
    critical |= set(_TIMES)
    while grown := {
        found
        for found, below in reached.items()
        if found not in critical and not critical.isdisjoint(below)
    }:
        critical |= grown
    return frozenset(
        field.name
        for field in kind.fields
        if field.enum_type is not None or field.message_type in critical
    )


def _neighbours(kind: Descriptor) -> set[Descriptor | None]:
    """Return the kinds of message that one holds, and None for an enum."""
    return {
        None if field.enum_type is not None else field.message_type
        for field in kind.fields
        if field.enum_type is not None or field.message_type is not None
    }
