"""Between a pipeline spec as JSON, as a message, and as what PPS keeps.

Every spec and input that comes with a call passes here, and so does what is too large for one.
"""

from __future__ import annotations

import json
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from pachlocal.api import validity
from pachlocal.errors import InvalidArgumentError, StricterError
from pachlocal.pps.spec.inputs import Json
from pachlocal.proto import pps_pb2
from pachlocal.untrusted import parse_json

MAX_BYTES = 2**20
"""Of a spec, as JSON or as a message. It is parsed and shown again and again, for all pipelines."""
MAX_VALUES = 50_000
"""Of a spec as JSON: texts, numbers, lists, objects."""

_KEPT_AT_ZERO = (FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_FLOAT)
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)

_PREFIX = "could not make effective spec"  # clients know it


_DEFAULTS = pps_pb2.ClusterDefaults.DESCRIPTOR  # and a project's have the same field


def from_json(text: str) -> Json:
    """Read a spec strictly: no unknown field, no wrong type.

    Returns:
        Its values with snake_case names. What is null or zero stays: it goes before a default.

    Raises:
        InvalidArgumentError: The text isn't JSON or not a spec (the message names the place), or it
            is too large.
    """
    value = _parse(text)
    from_dict(value)
    return _canonical(value, pps_pb2.CreatePipelineRequest.DESCRIPTOR)


def defaults_from_json(text: str) -> Json:
    """Read defaults as `from_json` reads a spec.

    Raises:
        InvalidArgumentError: The text isn't JSON, or holds no defaults.
    """
    value = _parse(text)
    try:
        json_format.ParseDict(value, pps_pb2.ClusterDefaults())
    except json_format.ParseError as error:
        raise InvalidArgumentError(_one_line(error)) from None
    return _canonical(value, _DEFAULTS)


def to_json(spec: Json) -> str:
    """Return what `to_dict` made, or PPS completed, in the JSON form of protobuf's own.

    What a spec sets to false, or to no CPU, is shown, since it goes before a default. 64-bit
    numbers are numbers or strings, as the spec has them.
    """
    message = to_message(spec)
    shown = json_format.MessageToDict(message)
    return json.dumps(_as_given(shown, spec, message.DESCRIPTOR, camel=True))


def complete(spec: Json) -> Json:
    """Return a spec that was read and merged, as `to_dict` would, but with its values as given.

    Raises:
        InvalidArgumentError: It holds what a spec can't, or is too large.
    """
    message = from_dict(spec)
    return _as_given(to_dict(message), spec, message.DESCRIPTOR, camel=False)


def _as_given(shown: Json, spec: Json, kind: Descriptor, *, camel: bool) -> Json:
    """Return a message's JSON with values that protobuf changes as the spec has them.

    Those are switches and fractions at zero, which it leaves out, and 64-bit numbers, which it
    makes strings. The real server merges JSON, so they stay what they were.
    """
    if kind.full_name.startswith("google.protobuf.") or kind.GetOptions().map_entry:
        return shown
    found = dict(shown)
    for name, value in spec.items():
        field = kind.fields_by_name[name]
        key = field.json_name if camel else name
        inner = field.message_type
        is_zero = field.type in _KEPT_AT_ZERO and value == 0
        if is_zero or (key in shown and field.cpp_type in _LONG):
            found[key] = value
        elif inner is None or key not in shown:  # no variables, no inputs: as if not said
            continue
        elif isinstance(value, dict):
            found[key] = _as_given(shown[key], value, inner, camel=camel)
        elif isinstance(value, list):
            parts = zip(shown[key], value, strict=True)
            found[key] = [_as_given(part, of, inner, camel=camel) for part, of in parts]
    return found


def _canonical(value: Json, kind: Descriptor) -> Json:
    """Return values with one name for each field, and for each value of an enum."""
    if kind.full_name.startswith("google.protobuf."):
        return value
    return {
        (field := _field(kind, name)).name: _canonical_field(item, field)
        for name, item in value.items()
    }


def _field(kind: Descriptor, name: str) -> FieldDescriptor:
    field: FieldDescriptor | None = kind.fields_by_name.get(name)
    return field or kind.fields_by_camelcase_name[name]


def _canonical_field(value: Any, field: FieldDescriptor) -> Any:
    inner = field.message_type
    if value is None:
        return None
    if field.enum_type is not None and isinstance(value, int):
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if inner is None:
        return value
    if inner.GetOptions().map_entry:
        of_value = inner.fields_by_name["value"]
        return {key: _canonical_field(item, of_value) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item, inner) for item in value]
    return _canonical(value, inner) if isinstance(value, dict) else value


def _parse(text: str) -> Json:
    _check_bytes(len(text.encode()))
    try:
        value = parse_json(text)
    except json.JSONDecodeError as error:
        raise InvalidArgumentError(
            f"{_PREFIX}: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except ValueError as error:
        raise InvalidArgumentError(f"{_PREFIX}: {error}") from None
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"{_PREFIX}: a spec must be a JSON object")
    _check_values(value)
    return value


def from_dict(value: dict[str, Any]) -> pps_pb2.CreatePipelineRequest:
    """Read a spec's JSON values; see `from_json`."""
    message = pps_pb2.CreatePipelineRequest()
    try:
        json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise InvalidArgumentError(f"{_PREFIX}: {_one_line(error)}") from None
    validity.check(message)
    return message


def to_dict(message: pps_pb2.CreatePipelineRequest) -> Json:
    """Return a spec in the form that PPS reads: snake_case names; 64-bit numbers may be strings.

    In a pfs input the project is the name alone, as on the wire.

    Raises:
        InvalidArgumentError: It is too large.
    """
    _check_bytes(message.ByteSize())
    value: Json = json_format.MessageToDict(message, preserving_proto_field_name=True)
    _check_values(value)
    return value


def to_message(spec: Json) -> pps_pb2.CreatePipelineRequest:
    """Return what `to_dict` made, or PPS completed, as a message."""
    message = pps_pb2.CreatePipelineRequest()
    json_format.ParseDict(spec, message)
    return message


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise StricterError(
            f"{_PREFIX}: it has {size:,} bytes, and the maximum is {MAX_BYTES:,}; "
            "put large content into a repo or an image"
        )


def _check_values(spec: Json) -> None:
    number = 0
    ahead: list[Any] = [spec]
    while ahead:
        item = ahead.pop()
        parts = item.values() if isinstance(item, dict) else item
        number += len(parts)
        ahead.extend(part for part in parts if isinstance(part, (dict, list)))
    if number > MAX_VALUES:
        raise StricterError(
            f"{_PREFIX}: it has {number:,} values, and the maximum is {MAX_VALUES:,}; "
            "put large content into a repo or an image"
        )


def _one_line(error: json_format.ParseError) -> str:
    """Say where and what, without the type names and lists that nobody asked for."""
    text = " ".join(str(error).split())
    text = re.sub(r" Available Fields\(except extensions\): .*", "", text)
    text = re.sub(r" : invalid literal for int\(\) with base 10: '[^']*'\.", "", text)
    unknown = re.search(r'has no field named "([^"]+)"(?: at "([^"]+)")?', text)
    if unknown is not None:
        where = (unknown[2] or "").removeprefix("CreatePipelineRequest").removeprefix(".")
        return f"unknown field {f'{where}.' if where else ''}{unknown[1]}"
    return text.replace("CreatePipelineRequest.", "")
