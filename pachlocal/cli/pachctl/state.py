"""What pachctl remembers from one call to the next: which transaction is active.

It is kept in a file of its own, never in Pachyderm's configuration file, which isn't ours to write;
so a transaction that the official pachctl has started isn't active here until it is resumed, and
the other way round. The file is the one that PACHCTL_STATE names, or else pachctl.json in
pachlocal's folder for state of the user (`~/.local/state` on Linux).
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pachlocal.cli.pachctl.errors import CliError

_SECTION = "active_transactions"  # by the server's address: another server knows nothing of them


def active_transaction(address: str) -> str:
    """Return the id of the transaction that is active on a server; empty if none is.

    Raises:
        CliError: The file can't be read.
    """
    return str(_section(_read()).get(address, ""))


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


def _path() -> Path:
    if named := os.environ.get("PACHCTL_STATE"):
        return Path(named)
    import platformdirs

    return platformdirs.user_state_path("pachlocal") / "pachctl.json"


def _read() -> dict[str, Any]:
    path = _path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
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
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
        file.write(json.dumps(content, indent=2) + "\n")
    Path(file.name).replace(path)
