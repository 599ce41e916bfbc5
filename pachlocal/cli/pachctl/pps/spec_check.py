"""Checks plain data against a message's form, so that a mistake is told with the field's path.

protobuf's own parser is the judge in the end; it finds the same mistakes but words them for those
who know protobuf.
"""

from __future__ import annotations

import difflib
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from pachlocal.errors import CliError
from pachlocal.untrusted import printable

_INTEGERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
)
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


def check(data: Any, form: Descriptor, place: str, path: str = "") -> None:
    """Check data against a message's form.

    Args:
        data: The data, as JSON has it.
        form: The message's form.
        place: Where the data is from, for the error message.
        path: The path to it from the outermost object.

    Raises:
        CliError: A field is unknown, or of another type.
    """
    if not isinstance(data, dict):
        raise _wrong(place, path, "an object", data)
    fields = {field.name: field for field in form.fields}
    fields |= {field.json_name: field for field in form.fields}
    for name, value in data.items():
        inner = f"{path}.{name}" if path else str(name)
        field = fields.get(name)
        if field is None:
            raise CliError(f"{place}: {inner}: no such field{_hint(str(name), form)}")
        if value is not None:  # null leaves a field unset
            _check_field(value, field, place, inner)


def _hint(name: str, form: Descriptor) -> str:
    near = difflib.get_close_matches(name, [field.name for field in form.fields], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _check_field(value: Any, field: FieldDescriptor, place: str, path: str) -> None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        if not isinstance(value, dict):
            raise _wrong(place, path, "an object", value)
        for key, item in value.items():
            _check_value(item, entry.fields_by_name["value"], place, f"{path}.{key}")
    elif field.is_repeated:
        if not isinstance(value, list):
            raise _wrong(place, path, "an array", value)
        for number, item in enumerate(value):
            _check_value(item, field, place, f"{path}[{number}]")
    else:
        _check_value(value, field, place, path)


def _check_value(value: Any, field: FieldDescriptor, place: str, path: str) -> None:
    kind = field.cpp_type
    form = field.message_type
    if form is not None and form.full_name.startswith("google.protobuf."):
        # Durations, timestamps and wrapped numbers have forms of their own: for the parser.
        if isinstance(value, (dict, list, bool)):
            raise _wrong(place, path, "text" if "Value" not in form.name else "a number", value)
    elif form is not None:
        check(value, form, place, path)
    elif kind == FieldDescriptor.CPPTYPE_STRING and not isinstance(value, str):
        raise _wrong(place, path, "text", value)
    elif kind == FieldDescriptor.CPPTYPE_BOOL and not isinstance(value, bool):
        raise _wrong(place, path, "true or false", value)
    elif kind in _INTEGERS and not _is_number(value, whole=True):
        raise _wrong(place, path, "a whole number", value)
    elif kind in _FLOATS and not _is_number(value, whole=False):
        raise _wrong(place, path, "a number", value)


def _is_number(value: Any, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return False
    return not whole or number.is_integer()


def _wrong(place: str, path: str, expected: str, value: Any) -> CliError:
    names: list[tuple[Any, str]] = [
        (bool, "true or false"),
        (dict, "an object"),
        (list, "an array"),
        (str, "text"),
        ((int, float), "a number"),
    ]
    got = next((name for type_, name in names if isinstance(value, type_)), type(value).__name__)
    shown = f' "{printable(value, 60)}"' if isinstance(value, str) else ""
    return CliError(f"{place}: {path}: expected {expected}, not {got}{shown}")
