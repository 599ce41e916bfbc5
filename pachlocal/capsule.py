"""A datum in one file: `pachctl debug datum` packs it, `pachlocal replay` runs it again.

A gzipped tar: first `manifest.json`, which says what ran, then the datum's inputs below `pfs/`, and
in version 2 the code that ran below `code/`.
It may come from anybody, so that nothing in it is trusted.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pachlocal.code_archive import CodeUnpacker
from pachlocal.errors import InvalidArgumentError
from pachlocal.tar_entries import FAILURES, BoundedFile, Room, open_tar
from pachlocal.untrusted import parse_json, printable

FORMAT = "pachlocal-capsule"
VERSION = 1
"""Of a capsule without code."""
VERSION_WITH_CODE = 2
MANIFEST = "manifest.json"
INPUTS = "pfs"
CODE = "code"

MAX_MANIFEST = 32 * 2**20
"""Bytes of a manifest."""

_MAX_DEPTH = 200  # folders, as in a repo
_LEAST_ROOM = 2**30  # bytes that any capsule may unpack to
_RATIO = 100  # and more if its file is large; text is seldom a twentieth of itself, compressed
_DRAIN = 2**16  # bytes read at a time
_LONGEST_S = 10 * 365 * 24 * 3600  # what poll(2) and the like can wait for is more
_RESERVED = frozenset({"out", ".env"})  # below /pfs: the command's own, and the environment's list

_T = TypeVar("_T")


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
        code: What names the version of the code that ran; empty if it isn't in the capsule.
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
    code: str = ""


def unpack(path: Path, pfs: Path, limit: int | None = None, code: Path | None = None) -> Capsule:
    """Read a capsule, and lay its inputs out.

    Args:
        path: The file.
        pfs: An empty folder, to become `/pfs`.
        limit: The bytes that its inputs may take; if not given, a hundred times those of the file,
            and at least a GiB.
        code: An empty folder, to become `/code`; if not given, the code isn't unpacked.

    Raises:
        InvalidArgumentError: It isn't a capsule, unpacks to too much, or has entries that lead
            outside: absolute paths, `..`, devices, links in the inputs.
        OSError: It can't be read, or there is no room.
    """
    try:
        with path.open("rb") as file, gzip.open(file) as content:
            most = limit or max(_LEAST_ROOM, _RATIO * path.stat().st_size)
            capsule = _unpack(BoundedFile(content), pfs, code, Room(most))
            while content.read(_DRAIN):  # at its end is a checksum of it all
                pass
    except FAILURES as error:
        reason = printable(str(error), 200)
        raise InvalidArgumentError(f"{path} isn't a capsule: {reason}") from None
    except OverflowError:
        raise InvalidArgumentError(
            f"{path} unpacks to more than {most:,} bytes; if it is meant to: --unpack-limit SIZE"
        ) from None
    return capsule


def _unpack(file: BoundedFile, pfs: Path, code: Path | None, room: Room) -> Capsule:
    with open_tar(file, "r|") as archive:
        entries = file.entries(archive)
        capsule = _read(archive, next(entries, None))
        unpacker = CodeUnpacker(code) if code is not None else None
        for entry in entries:
            if capsule.code and entry.name.startswith(f"{CODE}/"):
                room.take(entry)
                if unpacker is not None:
                    unpacker.add(archive, entry, entry.name.removeprefix(f"{CODE}/"))
                continue
            parts = _safe_parts(entry)
            room.take(entry)
            _write(archive, entry, pfs.joinpath(*parts))
        if unpacker is not None:
            unpacker.finish()
    return capsule


def _read(archive: tarfile.TarFile, entry: tarfile.TarInfo | None) -> Capsule:
    if entry is None or entry.name != MANIFEST or not _is_plain_file(entry):
        raise tarfile.TarError(f"it doesn't begin with {MANIFEST}")
    if entry.size > MAX_MANIFEST:
        raise tarfile.TarError(f"its manifest is larger than {MAX_MANIFEST // 2**20} MiB")
    content = archive.extractfile(entry)
    try:
        return _parse(parse_json(content.read() if content else b""))
    except ValueError as error:
        raise tarfile.TarError(f"its manifest can't be read ({error})") from None


def _parse(value: Any) -> Capsule:
    """Make a capsule of a manifest.

    Raises:
        InvalidArgumentError: It is of another version.
        tarfile.TarError: It is of another program.
        ValueError: It isn't one.
    """
    whole = _Object(value, "it")
    if whole.get("format", str) != FORMAT:
        raise tarfile.TarError(f"its manifest is not of the form {FORMAT}")
    version = whole.get("version", int)
    if version not in (VERSION, VERSION_WITH_CODE):
        raise InvalidArgumentError(
            f"this capsule is of version {version}, and this pachlocal knows {VERSION_WITH_CODE}"
        )
    job = _Object(whole.get("job", dict), "job")
    secrets = [_Object(it, "a secret") for it in whole.list_of("secrets", dict)]
    return Capsule(
        datum=whole.get("datum", str),
        job=f"{job.get('pipeline', str)}@{job.get('id', str)}",
        state=whole.get("state", str),
        reason=whole.get("reason", str),
        image=whole.get("image", str),
        cmd=tuple(whole.list_of("cmd", str)),
        stdin=tuple(whole.list_of("stdin", str)),
        env=_Object(whole.get("env", dict), "env").texts(),
        withheld=(
            *whole.list_of("withheld", str),
            *(it.get("env_var", str) for it in secrets if "env_var" in it.value),
        ),
        working_dir=whole.get("working_dir", str) or None,
        timeout_s=whole.seconds("timeout_s"),
        accepted=frozenset(whole.list_of("accept_return_code", int)),
        batching=whole.get("datum_batching", bool),
        code=whole.get("code", str) if version == VERSION_WITH_CODE else "",
    )


class _Object:
    """An object of a manifest, whose fields must be of their types."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{name} isn't an object")
        self.value: dict[str, Any] = value

    def get(self, name: str, kind: type[_T]) -> _T:
        if name not in self.value:
            raise ValueError(f"{name} is missing")
        return _checked(self.value[name], kind, name)

    def list_of(self, name: str, kind: type[_T]) -> list[_T]:
        return [_checked(item, kind, f"an item of {name}") for item in self.get(name, list)]

    def texts(self) -> dict[str, str]:
        return {name: self.get(name, str) for name in self.value}

    def seconds(self, name: str) -> float | None:
        value = self.value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} is of type {type(value).__name__}")
        if not 0 < value <= _LONGEST_S:
            raise ValueError(f"{name} is out of range")
        return float(value)


def _checked(value: Any, kind: type[_T], name: str) -> _T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        shown = printable(name, 40)
        raise ValueError(f"{shown} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, place: Path) -> None:
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
    path, shown = PurePosixPath(entry.name), printable(entry.name, 200)
    if not (_is_plain_file(entry) or entry.isdir()):
        raise InvalidArgumentError(f"{shown} is neither a file nor a folder")
    if path.is_absolute() or ".." in path.parts or "\0" in entry.name:
        raise InvalidArgumentError(f"{shown} leads out of the capsule")
    if len(path.parts) > _MAX_DEPTH:
        raise InvalidArgumentError(f"{shown} is more than {_MAX_DEPTH} folders deep")
    if len(path.parts) < 2 or path.parts[0] != INPUTS or path.parts[1] in _RESERVED:
        raise InvalidArgumentError(f"{shown} has no place in a capsule")
    return path.parts[1:]


def _is_plain_file(entry: tarfile.TarInfo) -> bool:
    return entry.isreg() and not entry.issparse()
