"""YAML documents that a user wrote, for commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pachlocal.errors import CliError
from pachlocal.untrusted_yaml import read_yaml


def yaml_documents(text: str, name: str) -> Iterator[Any]:
    """Yield the documents of a text; see `read_yaml`.

    Raises:
        CliError: Something in it is wrong.
    """
    try:
        yield from read_yaml(text, name)
    except ValueError as error:
        raise CliError(str(error)) from None
