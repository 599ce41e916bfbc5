"""/jsonschema/<package>/<Message>.schema.json: what a request may look like, for editors.

Made from the descriptors, in the form of protoc-gen-jsonschema: draft 4, names in camelCase.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from starlette.requests import Request
from starlette.responses import Response

from pachlocal.web.methods import PACKAGES

_DRAFT = "http://json-schema.org/draft-04/schema#"
_ENDING = ".schema.json"
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.BytesValue": {"type": "string", "format": "binary"},
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.Int64Value": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
}


async def serve(request: Request) -> Response:
    """Answer GET."""
    package, name = request.path_params["package"], request.path_params["name"]
    if package not in PACKAGES or not name.endswith(_ENDING):
        return Response("there is no such schema\n", 404, media_type="text/plain")
    try:
        found = Default().FindMessageTypeByName(f"{package}.{name.removesuffix(_ENDING)}")
    except KeyError:
        return Response("there is no such schema\n", 404, media_type="text/plain")
    return Response(json.dumps(schema(found), indent=1), media_type="application/json")


def schema(message: Descriptor) -> dict[str, Any]:
    """Return the schema of a message."""
    definitions: dict[str, Any] = {}
    _define(message, message.name, definitions)
    reference = f"#/definitions/{message.name}"
    return {"$schema": _DRAFT, "$ref": reference, "definitions": definitions}


def _define(message: Descriptor, name: str, definitions: dict[str, Any]) -> None:
    if name in definitions:
        return
    definitions[name] = {}  # it may contain itself
    fields = {field.json_name: _field(field, definitions) for field in message.fields}
    definitions[name] = {
        "properties": fields,
        "additionalProperties": False,
        "type": "object",
        "title": message.name,
    }


def _field(field: FieldDescriptor, definitions: dict[str, Any]) -> dict[str, Any]:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        values = _one(inner.fields_by_name["value"], definitions)
        return {"type": "object", "additionalProperties": values}
    if field.is_repeated:
        return {"type": "array", "items": _one(field, definitions)}
    return _one(field, definitions)


def _one(field: FieldDescriptor, definitions: dict[str, Any]) -> dict[str, Any]:
    inner, kind = field.message_type, field.cpp_type
    if inner is not None:
        if inner.full_name in _WELL_KNOWN:
            return _WELL_KNOWN[inner.full_name]
        _define(inner, inner.full_name, definitions)
        return {"$ref": f"#/definitions/{inner.full_name}", "additionalProperties": False}
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        kind_of_enum: Any = field.enum_type
        names = [value.name for value in kind_of_enum.values]
        return {"oneOf": [{"type": "string", "enum": names}, {"type": "integer"}]}
    if kind == FieldDescriptor.CPPTYPE_STRING:
        is_bytes = field.type == FieldDescriptor.TYPE_BYTES
        return {"type": "string", "format": "binary"} if is_bytes else {"type": "string"}
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return {"type": "number"}
    return {"type": "integer"}
