"""Folders with secret files that a worker shows: laid out beside its scratch, closed to others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pachlocal.errors import ImageUnavailableError


def lay_out(base: Path, folders: Mapping[str, Mapping[str, bytes]]) -> dict[str, Path]:
    """Write secret files; return where each folder lies.

    Args:
        base: A folder to be made, that only its owner may enter.
        folders: By the path that commands see, the files by name.
    """
    places: dict[str, Path] = {}
    if folders:
        base.mkdir(mode=0o700)
    for path, files in folders.items():
        place = base / PurePosixPath(path).relative_to("/")
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
            (place / name).chmod(0o444)  # a container's user is another; `base` keeps others out
        places[path] = place
    return places


def lay_out_for_root(base: Path, folders: Mapping[str, Mapping[str, bytes]]) -> dict[str, Path]:
    """Do the same for a runtime that can only add names to `/`; return where each name lies.

    Raises:
        ImageUnavailableError: The machine has such a name itself.
    """
    names = {}
    for path in lay_out(base, folders):
        name = "/" + path.strip("/").split("/")[0]
        if Path(name).exists():
            raise ImageUnavailableError(
                f"a secret can't be shown at {path}: without a container {name} is this machine's "
                "own; use a mount_path such as /secrets, or env_var"
            )
        names[name] = base / name[1:]
    return names
