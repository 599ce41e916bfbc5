"""Reading pipeline specifications: JSON or YAML, one or many, checked against the API's form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.protobuf import json_format

from pachlocal.cli.pachctl.client.local_files import name_of, read_text_at
from pachlocal.cli.pachctl.pps.legacy_spec import modernise
from pachlocal.cli.pachctl.pps.spec_check import check
from pachlocal.cli.pachctl.pps.yaml_documents import yaml_documents
from pachlocal.errors import CliError
from pachlocal.proto import pps_pb2
from pachlocal.untrusted import decode_json

Spec = dict[str, Any]

_JSONNET = re.compile(r"(?:\s|//[^\n]*\n|#[^\n]*\n)*(?:local\s+\w+\s*[=(]|function\s*\()")

_STRING_OR_TAB = re.compile(r'"(?:[^"\\]|\\.)*"|\t', re.DOTALL)

_EXCERPT = 40  # characters of what is no specification, in a message

_MOST_READ_TWICE = 2**17  # characters; YAML takes a second for them


class MalformedSpecError(CliError):
    """What should be a specification is neither JSON nor YAML."""


class Document(NamedTuple):
    """One specification.

    Attributes:
        place: Where it is from, for messages about it.
        spec: What it says, as plain data, in the form of 2.x.
        request: The same as the API's message.
        notes: What it had in forms of 1.x.
    """

    place: str
    spec: Spec
    request: pps_pb2.CreatePipelineRequest
    notes: tuple[str, ...] = ()


def read_specs(path: str) -> list[Document]:
    """Read a file of specifications.

    Args:
        path: The file, or its http or https URL; - is standard input.

    Raises:
        CliError: It can't be read, or something in it is wrong; or it is a jsonnet template.
    """
    text, name = read_text_at(path), name_of(path)
    if name.endswith((".jsonnet", ".libsonnet")) or _JSONNET.match(text):
        raise CliError(
            f"{name}: it is a jsonnet template: pachctl create pipeline --jsonnet {name} --arg "
            "NAME=VALUE"
        )
    return parse_specs(text, name)


def parse_specs(text: str, name: str) -> list[Document]:
    """Read specifications from a text.

    Args:
        text: JSON objects, one behind the other or in an array, or YAML documents.
        name: What to call the text in messages.

    Raises:
        CliError: Something in it is wrong.
    """
    try:
        found = list(plain_documents(text, name))
    except CliError as error:
        raise MalformedSpecError(str(error)) from None
    if not found:
        raise CliError(f"{name}: there is no specification in it")
    documents = []
    for number, spec in enumerate(found, 1):
        place = name if len(found) == 1 else f"{name}, specification {number}"
        if not isinstance(spec, dict):
            raise CliError(f"{place}: expected an object, not {_excerpt(spec)}")
        spec.pop("$schema", None)  # for editors
        modern, notes = modernise(spec)
        documents.append(Document(place, modern, _to_request(modern, place), tuple(notes)))
    return documents


def plain_documents(text: str, name: str) -> list[Any]:
    """Return the values in a text: JSON or YAML documents, and the items of those that are arrays.

    Pachyderm's own pachctl reads JSON as YAML, too, which takes a comma or a line break more.

    Args:
        text: The text.
        name: What to call it in messages.

    Raises:
        CliError: It is neither; what looks like JSON is told what is wrong with that.
    """
    if text.lstrip()[:1] not in ("{", "[") or re.search(r"\.ya?ml$", name):
        return _items(yaml_documents(text, name))
    try:
        return _items(_json_documents(text, name))
    except CliError as error:
        if len(text) > _MOST_READ_TWICE:
            raise
        try:
            return _items(yaml_documents(_without_tabs(text), name))
        except CliError:
            raise error from None


def _without_tabs(text: str) -> str:
    """Put blanks for the tabs between a JSON text's values: PyYAML refuses some of them."""
    return _STRING_OR_TAB.sub(lambda match: " " if match[0] == "\t" else match[0], text)


def _items(documents: Iterable[Any]) -> list[Any]:
    found = []
    for document in documents:
        if isinstance(document, list):
            found.extend(document)
        else:
            found.append(document)
    return found


def _json_documents(text: str, name: str) -> Iterator[Any]:
    blank = re.compile(r"\s*")
    position = 0
    while (position := blank.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        try:
            document, position = decode_json(text, position)
        except json.JSONDecodeError as error:
            raise CliError(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from None
        except ValueError as error:
            raise CliError(f"{name}: {error}") from None
        yield document


def to_request(spec: Spec) -> pps_pb2.CreatePipelineRequest:
    """Return the message of a specification from a server, which may know more fields than we."""
    message = pps_pb2.CreatePipelineRequest()
    return json_format.ParseDict(spec, message, ignore_unknown_fields=True)


def _to_request(spec: Spec, place: str) -> pps_pb2.CreatePipelineRequest:
    check(spec, pps_pb2.CreatePipelineRequest.DESCRIPTOR, place)
    try:
        request = json_format.ParseDict(spec, pps_pb2.CreatePipelineRequest())
    except json_format.ParseError as error:
        raise CliError(f"{place}: {str(error).splitlines()[0]}") from None
    if not request.pipeline.name:
        raise CliError(f"{place}: pipeline.name: the pipeline needs a name")
    return request


def _excerpt(value: object) -> str:
    """Return the beginning of a value: a file of data may have been taken for a specification."""
    if isinstance(value, str) and len(value) > _EXCERPT:
        return f"a text that begins with {json.dumps(value[:_EXCERPT])}"
    text = json.dumps(value)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
