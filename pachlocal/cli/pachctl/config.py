"""Where the server is: the environment first, then a context of pachctl's configuration file.

The file belongs to Pachyderm's own pachctl. It is read here and never written.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pachlocal.cli.pachctl.errors import CliError

DEFAULT_ADDRESS = "grpc://127.0.0.1:30650"
DEFAULT_PROJECT = "default"


@dataclass(frozen=True)
class Config:
    """What a configuration file says.

    Attributes:
        path: The file, whether or not there is one.
        active: The name of the context in force; empty if there is none.
        contexts: Every context's fields, by its name.
    """

    path: Path
    active: str
    contexts: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """What commands need to know.

    Attributes:
        address: The server's address as it was written.
        origin: Who says so, for error messages.
        project: The project that is meant where none is given.
        token: Proves who the user is, where authentication is on; else empty.
        certificates: PEM text, base64, of authorities to trust besides the system's; else empty.
    """

    address: str = DEFAULT_ADDRESS
    origin: str = "default"
    project: str = DEFAULT_PROJECT
    token: str = ""
    certificates: str = ""


def load(*, old_dialect: bool = False) -> Settings:
    """Find the server's address and the rest of the settings.

    Args:
        old_dialect: Look where 1.4 looked, too: in ADDRESS.

    Raises:
        CliError: The configuration file can't be read.
    """
    config = read_config()
    context = config.contexts.get(config.active, {})
    address, origin = _find_address(config, context, old_dialect)
    return Settings(
        address=address,
        origin=origin,
        project=_text(config, context, "project") or DEFAULT_PROJECT,
        token=_text(config, context, "session_token"),
        certificates=_text(config, context, "server_cas"),
    )


def read_config() -> Config:
    """Read the configuration file; a missing one says nothing.

    Raises:
        CliError: It can't be read, or isn't what it should be.
    """
    path = _find_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config(path, "", {})
    except UnicodeDecodeError:
        raise CliError(f"{path}: not a text file") from None
    try:
        content = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise CliError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from None
    section = _object(path, content, "v2")
    contexts = _object(path, section, "contexts")
    active = os.environ.get("PACH_CONTEXT") or section.get("active_context") or ""
    if not isinstance(active, str):
        raise CliError(f"{path}: v2.active_context: expected text")
    if os.environ.get("PACH_CONTEXT") and active not in contexts:
        raise CliError(f'{path}: there is no context "{active}", which PACH_CONTEXT names')
    return Config(path, active, {name: _object(path, contexts, name) for name in contexts})


def _find_file() -> Path:
    if named := os.environ.get("PACH_CONFIG"):
        return Path(named)
    mounted = Path("/pachctl/config.json")  # how a cluster hands it to the pods it runs
    return mounted if mounted.exists() else Path("~/.pachyderm/config.json").expanduser()


def _find_address(config: Config, context: dict[str, Any], old_dialect: bool) -> tuple[str, str]:
    # User code that calls pachctl means the server whose worker it runs in.
    port = os.environ.get("PEER_PORT")
    if port and os.environ.get("PACH_IN_WORKER", "").lower() in ("1", "t", "true"):
        return f"grpc://127.0.0.1:{port}", "PEER_PORT"
    if address := os.environ.get("PACHD_ADDRESS"):
        return address, "PACHD_ADDRESS"
    if old_dialect and (address := os.environ.get("ADDRESS")):
        return address, "ADDRESS"
    origin = f"{config.path}, context {config.active}"
    if address := _text(config, context, "pachd_address"):
        return address, origin
    if port := _object(config.path, context, "port_forwarders").get("pachd"):
        return f"grpc://127.0.0.1:{port}", origin
    return DEFAULT_ADDRESS, "default"


def _object(path: Path, parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else parent
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CliError(f"{path}: {key}: expected an object")
    return value


def _text(config: Config, context: dict[str, Any], key: str) -> str:
    value = context.get(key) or ""
    if not isinstance(value, str):
        raise CliError(f"{config.path}: {key}: expected text")
    return value
