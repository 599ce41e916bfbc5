"""Options that several commands share."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import click
import platformdirs

import pachlocal

DEFAULT_ADDRESS = "127.0.0.1:30650"


def default_root() -> Path:
    """Return the folder of the store that commands work on where none is given."""
    return Path(os.environ.get("PACHLOCAL_ROOT") or platformdirs.user_data_dir("pachlocal"))


def at(root: Path) -> str:
    """Return the option by which a command that is suggested finds a store, if it needs one.

    It begins with a blank, to follow the command's name.
    """
    if root.absolute() == default_root().absolute():
        return ""
    return f" --root {shlex.quote(str(root))}"


root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_root,
    show_default="$PACHLOCAL_ROOT, or the user's data folder",
    help="The folder of the store.",
)

compose_option = click.option(
    "--compose",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The compose.yaml that says which folder an image is built from.  "
    "[default: the one in this folder, or the workshop's]",
)

address_option = click.option(
    "--address",
    default=DEFAULT_ADDRESS,
    envvar="PACHLOCAL_ADDRESS",
    show_default=f"$PACHLOCAL_ADDRESS, or {DEFAULT_ADDRESS}",
    metavar="HOST:PORT",
    help="The address to listen at; port 0 is any free port.",
)


def known_composes(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the compose.yaml files that a store uses by default, and those that are gone.

    The file in this folder comes first, then those that the store's daemons used before. The
    workshop's is used only if there is no other.
    """
    here = Path("compose.yaml")
    found = {here.absolute(): None} if here.is_file() else {}  # a folder that is gone has no path
    try:
        remembered = json.loads((root / "compose.json").read_text())
    except (OSError, ValueError):
        remembered = []
    found |= {Path(file): None for file in remembered}
    gone = [file for file in found if not file.is_file()]
    there = [file for file in found if file not in gone]
    workshop = default_compose()
    if not there and workshop is not None:
        there = [workshop]
    return there, gone


def default_compose() -> Path | None:
    """Return the compose.yaml of this folder, or of the checkout that pachlocal runs from."""
    checkout = Path(pachlocal.__file__).parent.parent
    for folder in (Path(), checkout):
        if (folder / "compose.yaml").is_file():
            return (folder / "compose.yaml").absolute()
    return None
