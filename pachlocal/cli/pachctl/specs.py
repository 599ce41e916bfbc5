"""Reading pipeline specifications: JSON or YAML, one or many, checked against the API's form."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import json_format

from pachlocal.cli.legacy_spec import modernise
from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.spec_check import check
from pachlocal.proto import pps_pb2

Spec = dict[str, Any]


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
        path: The file; - is standard input.

    Raises:
        CliError: It can't be read, or something in it is wrong.
    """
    name = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CliError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise CliError(f"{name}: not a text file") from None
    return parse_specs(text, name)


def parse_specs(text: str, name: str) -> list[Document]:
    """Read specifications from a text.

    Args:
        text: JSON objects, one behind the other or in an array, or YAML documents.
        name: What to call the text in messages.

    Raises:
        CliError: Something in it is wrong.
    """
    found = list(_parse(text, name))
    if not found:
        raise CliError(f"{name}: there is no specification in it")
    documents = []
    for number, spec in enumerate(found, 1):
        place = name if len(found) == 1 else f"{name}, specification {number}"
        if not isinstance(spec, dict):
            raise CliError(f"{place}: expected an object, not {json.dumps(spec)[:40]}")
        spec.pop("$schema", None)  # for editors
        modern, notes = modernise(spec)
        documents.append(Document(place, modern, _to_request(modern, place), tuple(notes)))
    return documents


def _parse(text: str, name: str) -> Iterator[Any]:
    is_json = text.lstrip()[:1] in ("{", "[") and not re.search(r"\.ya?ml$", name)
    for document in _json_documents(text, name) if is_json else _yaml_documents(text, name):
        if isinstance(document, list):
            yield from document
        else:
            yield document


def _json_documents(text: str, name: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_without_doubles)
    blank = re.compile(r"\s*")
    position = 0
    while (position := blank.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        try:
            document, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise CliError(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from None
        except ValueError as error:
            raise CliError(f"{name}: {error}") from None
        yield document


def _without_doubles(pairs: list[tuple[str, Any]]) -> Spec:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twice}" stands twice in one object')
    return result


def _yaml_documents(text: str, name: str) -> Iterator[Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Leaves dates as the text they are written as."""

        yaml_implicit_resolvers = {  # noqa: RUF012  # it is the base class's form
            first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        for document in yaml.load_all(text, Loader=Loader):  # it is a safe loader
            if document is not None:
                yield document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise CliError(f"{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise CliError(f"{name}: {' '.join(str(error).split())}") from None


def _to_request(spec: Spec, place: str) -> pps_pb2.CreatePipelineRequest:
    check(spec, pps_pb2.CreatePipelineRequest.DESCRIPTOR, place)
    try:
        request = json_format.ParseDict(spec, pps_pb2.CreatePipelineRequest())
    except json_format.ParseError as error:
        raise CliError(f"{place}: {str(error).splitlines()[0]}") from None
    if not request.pipeline.name:
        raise CliError(f"{place}: pipeline.name: the pipeline needs a name")
    return request
