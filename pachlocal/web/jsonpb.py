"""Messages as JSON, as grpc-gateway v2 writes them: every field, in the JSON mapping of proto3.

https://protobuf.dev/programming-guides/json/, with fields that are not set: an empty value, or null
for a message that is in no oneof. `google.protobuf.json_format` can't write those nulls, and takes
several times as long, because it looks at descriptors again for every message.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from functools import cache
from json.encoder import encode_basestring
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Writer = Callable[[Any], str]
_Append = Callable[[Message, list[str]], None]

_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in (
        *("Double", "Float", "Int64", "UInt64", "Int32", "UInt32"),
        *("Bool", "String", "Bytes"),
    )
)


_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")

Kind = TypeVar("Kind", bound=Message)


def from_json(text: str, kind: type[Kind]) -> Kind:
    """Return the message that a JSON object holds; fields that it doesn't have are ignored.

    The library takes what is empty in Python, like `[]`, for an empty message, and leaves out of
    base64 what isn't any: a message must not be something else than its client meant.

    Raises:
        json_format.ParseError: It holds none.
        RecursionError: It is nested too deeply.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except ValueError as problem:
        raise json_format.ParseError(f"not JSON: {problem}") from None
    if not isinstance(content, dict):
        raise json_format.ParseError("a JSON object is needed")
    message = kind()
    descriptor: Any = message.DESCRIPTOR
    _check_bytes(content, descriptor)
    return json_format.ParseDict(content, message, ignore_unknown_fields=True)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise json_format.ParseError(f"{json.dumps(twice)} stands twice in one object")
    return found


def _check_bytes(content: dict[str, Any], kind: Descriptor) -> None:
    for field in kind.fields:
        value = content.get(field.json_name, content.get(field.name))
        inner = field.message_type
        is_bytes = field.type == FieldDescriptor.TYPE_BYTES or (
            inner is not None and inner.full_name == "google.protobuf.BytesValue"
        )
        for one in value if isinstance(value, list) else (value,):
            if is_bytes and isinstance(one, str) and not _BASE64.fullmatch(one):
                raise json_format.ParseError(f"{field.json_name}: not base64")
            if inner is not None and isinstance(one, dict):
                _check_bytes(one, inner)


def to_json(message: Message) -> str:
    """Return a message as JSON, in one line."""
    return writer(message.DESCRIPTOR)(message)


@cache
def writer(descriptor: Descriptor) -> Writer:
    """Return what writes messages of a type; it is made once."""
    name = descriptor.full_name
    if name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        return _time
    if name in _WRAPPERS:
        value = _value_writer(descriptor.fields_by_name["value"])
        return lambda message: value(message.value)
    if name.startswith("google.protobuf.") and name != "google.protobuf.Empty":
        return _by_library  # Any, Struct and the like
    appenders: list[_Append] = []

    def write(message: Message) -> str:
        parts: list[str] = []
        for append in appenders:
            append(message, parts)
        return "{" + ",".join(parts) + "}"

    # The type may contain itself: fields ask for its writer when it is written first.
    appenders.extend(_appender(field) for field in descriptor.fields)
    return write


def _appender(field: FieldDescriptor) -> _Append:
    name, key = field.name, f"{json.dumps(field.json_name)}:"
    entry = field.message_type
    if field.is_repeated and entry is not None and entry.GetOptions().map_entry:
        return _map_appender(name, key, entry)
    value = _value_writer(field)
    if field.is_repeated:
        return lambda message, parts: parts.append(
            f"{key}[{','.join(map(value, getattr(message, name)))}]"
        )
    if not field.has_presence:
        return lambda message, parts: parts.append(key + value(getattr(message, name)))
    nothing = "" if field.containing_oneof is not None or entry is None else f"{key}null"

    def append(message: Message, parts: list[str]) -> None:
        if message.HasField(name):
            parts.append(key + value(getattr(message, name)))
        elif nothing:
            parts.append(nothing)

    return append


def _map_appender(name: str, key: str, entry: Descriptor) -> _Append:
    of_key = _value_writer(entry.fields_by_name["key"])
    of_value = _value_writer(entry.fields_by_name["value"])

    def append(message: Message, parts: list[str]) -> None:
        pairs = []
        for one, value in sorted(getattr(message, name).items()):
            word = of_key(one)
            pairs.append(f"{word if word.startswith(QUOTE) else QUOTE + word + QUOTE}:")
            pairs[-1] += of_value(value)
        parts.append(f"{key}{{{','.join(pairs)}}}")

    return append


QUOTE = '"'


def _value_writer(field: FieldDescriptor) -> Writer:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        inner = field.message_type
        return lambda message: writer(inner)(message)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        names = {number: json.dumps(value.name) for number, value in _enum_values(field)}
        return lambda number: names.get(number) or str(number)
    if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64):
        return lambda number: f'"{number}"'  # JavaScript's numbers can't hold them
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return _float
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return lambda value: "true" if value else "false"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: f'"{base64.b64encode(value).decode()}"'
    return encode_basestring if kind == FieldDescriptor.CPPTYPE_STRING else str


def _enum_values(field: FieldDescriptor) -> Any:
    kind: Any = field.enum_type
    return kind.values_by_number.items()


def _float(number: float) -> str:
    if math.isnan(number):
        return '"NaN"'
    if math.isinf(number):
        return '"Infinity"' if number > 0 else '"-Infinity"'
    return repr(number).removesuffix(".0")


def _time(message: Any) -> str:
    try:
        return f'"{message.ToJsonString()}"'
    except ValueError:  # out of its range: no client can have meant it
        return "null"


def _by_library(message: Message) -> str:
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)
