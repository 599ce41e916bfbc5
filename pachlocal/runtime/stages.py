"""Finds the folder that an image is built from, in compose.yaml.

Source: the Compose specification, "Interpolation" and "Build"
(https://github.com/compose-spec/compose-spec). Only what names an image and its folder is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pachlocal.errors import InvalidArgumentError

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<rule>:?[-?+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\}|)",
    re.ASCII,
)


def load_stages(compose: Path, environ: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Read which folder each image is built from.

    Args:
        compose: The compose.yaml.
        environ: The variables for `${NAME}`; by default the process's own.

    Returns:
        The build context, absolute, by image name. Services without an image name or without a
        local build context are left out.

    Raises:
        InvalidArgumentError: The file can't be read, or is no Compose file; the message names it.
    """
    try:
        return _stages(compose, os.environ if environ is None else environ)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{compose}: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidArgumentError(f"{compose}: {' '.join(str(error).split())}") from error
    except _MalformedError as error:
        raise InvalidArgumentError(f"{compose}: {error}") from error


def folder_of(stages: Mapping[str, Path], image: str) -> Path | None:
    """The folder of an image, where `name` and `name:latest` are the same."""
    _, _, tag = image.rpartition("/")[2].partition(":")
    other = image.removesuffix(":latest") if tag else f"{image}:latest"
    return stages.get(image, stages.get(other))


class _MalformedError(Exception):
    """The file says something that Compose would refuse."""


def _stages(compose: Path, environ: Mapping[str, str]) -> dict[str, Path]:
    document = yaml.safe_load(compose.read_text(encoding="utf-8"))
    base = compose.absolute().parent
    stages = {}
    services = _mapping(_mapping(document, "the file").get("services"), "services")
    for name, service in services.items():
        parts = _mapping(service, f"service {name}")
        image, context = parts.get("image"), parts.get("build")
        if isinstance(context, dict):
            context = context.get("context", ".")
        if image is None or context is None:
            continue
        folder = interpolate(_text(context, f"the build of {name}"), environ)
        if "://" in folder or folder.startswith("git@"):
            continue
        label = interpolate(_text(image, f"the image of {name}"), environ)
        # normpath, not resolve: a user's links stay as they wrote them.
        stages[label] = Path(os.path.normpath(base / folder))
    return stages


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Fill in `$NAME`, `${NAME}`, and its forms with `-`, `?`, `+` and a colon; `$$` is `$`."""

    def fill(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["bare"] or match["name"]
        if not name:
            raise _MalformedError(f"invalid interpolation format: {text!r}")
        value = environ.get(name)
        rule, word = match["rule"] or "", match["word"] or ""
        present = bool(value) if rule.startswith(":") else value is not None
        if rule.endswith("+"):
            return interpolate(word, environ) if present else ""
        if present or not rule:
            return value or ""
        if rule.endswith("?"):
            reason = interpolate(word, environ) or "it is not set"
            raise _MalformedError(f"required variable {name}: {reason}")
        return interpolate(word, environ)

    return _VARIABLE.sub(fill, text)


def _mapping(value: Any, what: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _MalformedError(f"{what} must be a mapping")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _MalformedError(f"{what} must be a text")
    return value
