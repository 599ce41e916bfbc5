"""A datum in one file: `pachctl debug datum` packs it, `pachlocal replay` runs it again.

A gzipped tar: first `manifest.json`, which says what ran, then the datum's inputs below `pfs/`.
It may come from anybody, so that nothing in it is trusted.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pachlocal.errors import InvalidArgumentError

FORMAT = "pachlocal-capsule"
VERSION = 1
MANIFEST = "manifest.json"
INPUTS = "pfs"

_MAX_MANIFEST = 64 * 1024 * 1024  # bytes
_RESERVED = frozenset({"out", ".env"})  # below /pfs: the command's own, and the environment's list


@dataclass(frozen=True, slots=True)
class Capsule:
    """What a capsule says of its datum.

    Attributes:
        datum: Its ID.
        job: Where it ran: `PIPELINE@ID`.
        state: What became of it there.
        reason: Why it ran; empty when the server didn't say.
        image: The image's name.
        cmd: The command.
        stdin: The lines that it read.
        env: Its variables, but for the machine's own.
        withheld: Variables that were left out as secrets.
        working_dir: Where it started; None for the image's own folder.
        timeout_s: Seconds that a try had; None for no limit.
        accepted: Exit codes that count as success, beside 0.
        batching: Whether the command asks for its datums by itself.
    """

    datum: str
    job: str
    state: str
    reason: str
    image: str
    cmd: tuple[str, ...]
    stdin: tuple[str, ...]
    env: Mapping[str, str]
    withheld: tuple[str, ...]
    working_dir: str | None
    timeout_s: float | None
    accepted: frozenset[int]
    batching: bool


def unpack(path: Path, pfs: Path) -> Capsule:
    """Read a capsule, and lay its inputs out.

    Args:
        path: The file.
        pfs: An empty folder, to become `/pfs`.

    Raises:
        InvalidArgumentError: It is no capsule, or it holds what could lead elsewhere: absolute
            paths, `..`, links, devices.
        OSError: It can't be read, or there is no room.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as archive:
            entries = iter(archive)
            capsule = _read(archive, next(entries, None))
            for entry in entries:
                _unpack_entry(archive, entry, pfs)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InvalidArgumentError(f"{path} is no capsule: {error}") from None
    return capsule


def _read(archive: tarfile.TarFile, entry: tarfile.TarInfo | None) -> Capsule:
    if entry is None or entry.name != MANIFEST or not entry.isfile() or entry.size > _MAX_MANIFEST:
        raise tarfile.TarError(f"it doesn't begin with {MANIFEST}")
    content = archive.extractfile(entry)
    try:
        value = json.loads(content.read() if content else b"")
        if value["format"] != FORMAT:
            raise tarfile.TarError(f"its manifest is not of the form {FORMAT}")
        if value["version"] != VERSION:
            raise InvalidArgumentError(
                f"this capsule is of version {value['version']}, and this pachlocal knows {VERSION}"
            )
        return _parse(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise tarfile.TarError(f"its manifest can't be read ({error!r})") from None


def _parse(value: dict[str, Any]) -> Capsule:
    job = value["job"]
    return Capsule(
        datum=str(value["datum"]),
        job=f"{job['pipeline']}@{job['id']}",
        state=str(value["state"]),
        reason=str(value["reason"]),
        image=str(value["image"]),
        cmd=tuple(map(str, value["cmd"])),
        stdin=tuple(map(str, value["stdin"])),
        env={str(name): str(text) for name, text in value["env"].items()},
        withheld=(
            *map(str, value["withheld"]),
            *(str(secret["env_var"]) for secret in value["secrets"] if secret.get("env_var")),
        ),
        working_dir=value["working_dir"] or None,
        timeout_s=None if value["timeout_s"] is None else float(value["timeout_s"]),
        accepted=frozenset(map(int, value["accept_return_code"])),
        batching=bool(value["datum_batching"]),
    )


def _unpack_entry(archive: tarfile.TarFile, entry: tarfile.TarInfo, pfs: Path) -> None:
    parts = _safe_parts(entry)
    place = pfs.joinpath(*parts)
    if entry.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(entry)
    with place.open("xb") as file:  # nothing is written twice, or through what is there
        if content is not None:
            shutil.copyfileobj(content, file)


def _safe_parts(entry: tarfile.TarInfo) -> tuple[str, ...]:
    """Return an entry's path below `/pfs`.

    Raises:
        InvalidArgumentError: It may not be there.
    """
    path = PurePosixPath(entry.name)
    if not (entry.isfile() or entry.isdir()):
        raise InvalidArgumentError(f"{entry.name} is neither a file nor a folder")
    if path.is_absolute() or ".." in path.parts or "\0" in entry.name:
        raise InvalidArgumentError(f"{entry.name} leads out of the capsule")
    if len(path.parts) < 2 or path.parts[0] != INPUTS or path.parts[1] in _RESERVED:
        raise InvalidArgumentError(f"{entry.name} has no place in a capsule")
    return path.parts[1:]
