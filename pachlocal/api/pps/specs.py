"""Between a pipeline spec as JSON, as a message, and as what PPS keeps."""

from __future__ import annotations

import json
import re
from typing import Any

from google.protobuf import json_format

from pachlocal.errors import InvalidArgumentError
from pachlocal.pps.inputs import Json
from pachlocal.proto import pps_pb2

_PREFIX = "could not make effective spec"  # clients know it


def from_json(text: str) -> pps_pb2.CreatePipelineRequest:
    """Read a spec strictly: no unknown field, no wrong type.

    Raises:
        InvalidArgumentError: The text is no JSON, or no spec; the message names the place.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidArgumentError(
            f"{_PREFIX}: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"{_PREFIX}: a spec must be a JSON object")
    return from_dict(value)


def from_dict(value: dict[str, Any]) -> pps_pb2.CreatePipelineRequest:
    """Read a spec's JSON values; see `from_json`."""
    message = pps_pb2.CreatePipelineRequest()
    try:
        json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise InvalidArgumentError(f"{_PREFIX}: {_one_line(error)}") from None
    return message


def to_dict(message: pps_pb2.CreatePipelineRequest) -> Json:
    """Return a spec in the form that PPS reads: snake_case names, 64-bit numbers as strings.

    In a pfs input the project is the name alone, as on the wire.
    """
    value: Json = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return value


def to_message(spec: Json) -> pps_pb2.CreatePipelineRequest:
    """Return what `to_dict` made, or PPS completed, as a message."""
    message = pps_pb2.CreatePipelineRequest()
    json_format.ParseDict(spec, message)
    return message


def _one_line(error: json_format.ParseError) -> str:
    """Say where and what, without the type names and lists that nobody asked for."""
    text = " ".join(str(error).split())
    text = re.sub(r" Available Fields\(except extensions\): .*", "", text)
    unknown = re.search(r'has no field named "([^"]+)"(?: at "([^"]+)")?', text)
    if unknown is not None:
        where = (unknown[2] or "").removeprefix("CreatePipelineRequest").removeprefix(".")
        return f"unknown field {f'{where}.' if where else ''}{unknown[1]}"
    return text.replace("CreatePipelineRequest.", "")
