"""What pachctl remembers from one call to the next: which transaction is active.

It is kept in a file of its own, never in Pachyderm's configuration file, which isn't ours to write;
so a transaction that the official pachctl has started isn't active here until it is resumed, and
the other way round. The file is the one that PACHCTL_STATE names, or else pachctl.json in
pachlocal's folder for state of the user (`~/.local/state` on Linux).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pachlocal.errors import CliError
from pachlocal.private_files import write_private
from pachlocal.untrusted import parse_json, read_bounded

_MOST = 2**20  # bytes
_SECTION = "active_transactions"  # by the server's address: another server knows nothing of them


def active_transaction(address: str) -> str:
    """Return the id of the transaction that is active on a server; empty if none is.

    Raises:
        CliError: The file can't be read.
    """
    id_ = _section(_read()).get(address, "")
    if not isinstance(id_, str) or not (id_.isascii() and id_.isprintable()):
        raise CliError(f"{_path()} is damaged: delete it")
    return id_


def set_active_transaction(address: str, id_: str) -> None:
    """Remember a server's active transaction; an empty id means none.

    Raises:
        CliError: The file can't be read.
    """
    content = _read()
    section = _section(content)
    if section.get(address, "") == id_:
        return
    section.pop(address, None)
    if id_:
        section[address] = id_
    _write({**content, _SECTION: section})


def history_file() -> Path:
    """Return where `pachctl shell` keeps the lines that were typed."""
    return _path().with_name("pachctl-history")


def _path() -> Path:
    if named := os.environ.get("PACHCTL_STATE"):
        return Path(named)
    import platformdirs

    return platformdirs.user_state_path("pachlocal") / "pachctl.json"


def _read() -> dict[str, Any]:
    path = _path()
    try:
        content = parse_json(read_bounded(path, _MOST) or b"{}")  # of /dev/null
    except FileNotFoundError:
        return {}
    except ValueError:
        raise CliError(f"{path} is damaged: delete it") from None
    return content if isinstance(content, dict) else {}


def _section(content: dict[str, Any]) -> dict[str, Any]:
    section = content.get(_SECTION)
    return dict(section) if isinstance(section, dict) else {}


def _write(content: dict[str, Any]) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two calls at once leave one whole file or the other.
    write_private(path, (json.dumps(content, indent=2) + "\n").encode())
