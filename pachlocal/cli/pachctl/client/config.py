"""Where the server is: the environment first, then a context of pachctl's configuration file.

The file is that of Pachyderm's own pachctl. It is read here, and written by `pachlocal context`,
`pachctl config` and `pachctl connect`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pachlocal.errors import CliError
from pachlocal.untrusted import decode_text, parse_json, read_bounded

_MOST = 2**20  # bytes
DEFAULT_ADDRESS = "grpc://127.0.0.1:30650"
DEFAULT_PROJECT = "default"


@dataclass(frozen=True)
class Config:
    """What a configuration file says.

    Attributes:
        path: The file, whether or not there is one.
        active: The name of the context in force; empty if there is none.
        contexts: Every context's fields, by its name.
        enterprise: The name of the context of the enterprise server; empty if there is none.
        metrics: Whether Pachyderm's own pachctl reports how it is used. This one never does.
    """

    path: Path
    active: str
    contexts: dict[str, dict[str, Any]]
    enterprise: str = ""
    metrics: bool = False


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
        token=_find_token(config, context),
        certificates=_text(config, context, "server_cas"),
    )


def settings_at(address: str, origin: str) -> Settings:
    """Return the settings for an address that somebody gives.

    A token is sent there only if a context of the configuration file has both.

    Args:
        address: The address as it was written.
        origin: Who says so, for error messages.

    Raises:
        CliError: The configuration file can't be read.
    """
    config = read_config()
    for context in config.contexts.values():
        if _text(config, context, "pachd_address") == address:
            return Settings(
                address=address,
                origin=origin,
                token=_text(config, context, "session_token"),
                certificates=_text(config, context, "server_cas"),
            )
    return Settings(address=address, origin=origin)


def read_config() -> Config:
    """Read the configuration file; a missing one says nothing.

    Raises:
        CliError: It can't be read, or isn't what it should be.
    """
    path = find_file()
    try:
        text = decode_text(read_bounded(path, _MOST))
        content = parse_json(text) if text.strip() else {}
    except FileNotFoundError:
        return Config(path, "", {})
    except json.JSONDecodeError as error:
        raise CliError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from None
    except ValueError as error:
        raise CliError(f"{path}: {error}") from None
    section = _object(path, content, "v2")
    contexts = _object(path, section, "contexts")
    active = os.environ.get("PACH_CONTEXT") or section.get("active_context") or ""
    if not isinstance(active, str):
        raise CliError(f"{path}: v2.active_context: expected text")
    if os.environ.get("PACH_CONTEXT") and active not in contexts:
        raise CliError(f'{path}: there is no context "{active}", which PACH_CONTEXT names')
    return Config(
        path,
        active,
        {name: _object(path, contexts, name) for name in contexts},
        enterprise=str(section.get("active_enterprise_context") or ""),
        metrics=section.get("metrics") is True,
    )


def find_file() -> Path:
    """Return where the configuration file is, or would be."""
    if named := os.environ.get("PACH_CONFIG"):
        return Path(named)
    mounted = Path("/pachctl/config.json")  # how a cluster hands it to the pods it runs
    return mounted if mounted.exists() else Path("~/.pachyderm/config.json").expanduser()


def _find_token(config: Config, context: dict[str, Any]) -> str:
    of_context = _text(config, context, "session_token")
    of_environment = os.environ.get("PACH_PYTHON_AUTH_TOKEN", "")  # as the Python clients have it
    # In a worker the environment is the server's that runs it, and the file may be another's.
    return of_environment or of_context if _is_in_worker() else of_context or of_environment


def _is_in_worker() -> bool:
    return os.environ.get("PACH_IN_WORKER", "").lower() in ("1", "t", "true")


def _find_address(config: Config, context: dict[str, Any], old_dialect: bool) -> tuple[str, str]:
    # User code that calls pachctl means the server whose worker it runs in.
    port = os.environ.get("PEER_PORT")
    if port and _is_in_worker():
        return f"grpc://127.0.0.1:{port}", "PEER_PORT"
    if address := os.environ.get("PACHD_ADDRESS"):
        return address, "PACHD_ADDRESS"
    if old_dialect and (address := os.environ.get("ADDRESS")):
        return address, "ADDRESS"
    origin = f"{config.path}, context {config.active}"
    if address := _text(config, context, "pachd_address"):
        return address, origin
    if port := _object(config.path, context, "port_forwarders").get("pachd"):
        if not isinstance(port, int):
            raise CliError(f"{config.path}: port_forwarders.pachd: expected a number")
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
    if not (value.isascii() and value.isprintable()):  # what is sent with each call must be
        raise CliError(f"{config.path}: {key}: expected printable ASCII characters")
    return value
