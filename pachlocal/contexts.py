"""Contexts in pachctl's configuration file, by which Pachyderm's clients find a daemon.

The form is that of src/internal/config/config.proto in Pachyderm's sources. Clients refuse a
context with fields that they don't know.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pachlocal.errors import ConfigError
from pachlocal.private_files import write_private
from pachlocal.untrusted import parse_json, read_bounded

NAME = "pachlocal"

_MAX_FILE = 4 * 2**20  # bytes


def context(
    address: str, token: str, certificate: bytes = b"", deployment: str = ""
) -> dict[str, str]:
    """Make a context.

    Args:
        address: With its scheme, such as grpcs://host:30650.
        token: What the daemon asks for; empty for nothing.
        certificate: What to trust, PEM; empty without TLS.
        deployment: The store's ID; empty when clients needn't know it.
    """
    fields = {
        "pachd_address": address,
        "server_cas": base64.b64encode(certificate).decode(),
        "session_token": token,
        "cluster_deployment_id": deployment,
    }
    return {name: value for name, value in fields.items() if value}


def content(fields: dict[str, str]) -> bytes:
    """Return a file's content that holds nothing but one context."""
    return json.dumps(
        {"user_id": "", "v2": {"active_context": NAME, "contexts": {NAME: fields}}}
    ).encode()


def put(path: Path, fields: dict[str, str], *, active: bool) -> None:
    """Write a context named `pachlocal` into a file, where it may have been before.

    All else that the file says stays, and so does what clients note in the context for themselves.

    Args:
        path: The file; made if it isn't there.
        fields: The context.
        active: Whether clients are to use it when they aren't told which.

    Raises:
        ConfigError: The file isn't pachctl's.
        OSError: It can't be read or written.
    """

    def change(section: dict[str, Any], contexts: dict[str, Any]) -> None:
        noted = _section(path, contexts, NAME)
        ours = ("pachd_address", "server_cas", "session_token", "cluster_deployment_id")
        contexts[NAME] = {key: value for key, value in noted.items() if key not in ours} | fields
        if active or not section.get("active_context"):
            section["active_context"] = NAME

    edit(path, change)


def edit(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change a file, of which all stays that the change leaves.

    Args:
        path: The file; made if it isn't there.
        change: Changes its section `v2`, and the contexts in it.

    Raises:
        ConfigError: The file isn't pachctl's.
        OSError: It can't be read or written.
    """
    path = path.resolve()  # of a link, the file that it leads to
    found = _read(path)
    if "v1" in found:
        raise ConfigError(
            f"{path}: it is of pachctl 1.9 or older, and a newer one has to convert it"
        )
    section = _section(path, found, "v2")
    change(section, _section(path, section, "contexts"))
    found.setdefault("user_id", "")
    write_private(path, (json.dumps(found, indent=2) + "\n").encode())


def context_in(path: Path) -> dict[str, Any]:
    """Return the context named `pachlocal` of a file; empty if it has none.

    Raises:
        ConfigError: The file isn't pachctl's.
        OSError: It can't be read.
    """
    content = _read(path)
    return _section(path, _section(path, _section(path, content, "v2"), "contexts"), NAME)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(read_bounded(path, _MAX_FILE) or b"{}")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected an object")
    return content


def _section(path: Path, parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return an object of an object, made if it isn't there."""
    value = parent.setdefault(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {key}: expected an object")
    return value
