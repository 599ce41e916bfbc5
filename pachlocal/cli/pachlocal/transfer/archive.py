"""The file that an export is: a plain tar, which may also be unpacked into a folder.

manifest.json          repos, branches, commits, pipelines
commits/REPO/ID.jsonl  what a commit changed, a line for each file
content/XX/SHA256      each content once, by its hash
"""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from pachlocal.cli.pachlocal.transfer import manifest
from pachlocal.cli.pachlocal.transfer.manifest import Manifest
from pachlocal.errors import CliError
from pachlocal.tar_entries import FAILURES, BoundedFile, open_tar
from pachlocal.untrusted import printable, read_bounded

CHUNK = 1024 * 1024
_IN_MEMORY = 8 * CHUNK  # what is larger waits on disk until its hash is known


class ArchivedContent(NamedTuple):
    """What names a content: its hash in hexadecimal, and its size in bytes."""

    sha256: str
    size: int


def content_name(sha256: str) -> str:
    """Name a content's file."""
    return f"content/{sha256[:2]}/{sha256}"


class Writer:
    """Writes an export, in memory that doesn't grow with it."""

    def __init__(self, out: IO[bytes], folder: Path) -> None:
        """Begin.

        Args:
            out: The file.
            folder: Where large contents wait; it has room for the largest.
        """
        self._tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._folder = folder
        self._index = sqlite3.connect("")  # a file of its own, gone when closed
        self._index.execute("CREATE TABLE stored (sha256 TEXT PRIMARY KEY) WITHOUT ROWID")
        self._index.execute(
            "CREATE TABLE known (hash BLOB PRIMARY KEY, sha256 TEXT, size INTEGER) WITHOUT ROWID"
        )

    def find(self, server_hash: bytes) -> ArchivedContent | None:
        """Return the content that a server has given a hash to, if it is here already."""
        query = "SELECT sha256, size FROM known WHERE hash = ?"
        row = self._index.execute(query, (server_hash,)).fetchone()
        return ArchivedContent(*row) if row else None

    def add_content(self, pieces: Iterable[bytes], server_hash: bytes) -> ArchivedContent:
        """Add a content, unless it is here already; return what names it.

        Args:
            pieces: The bytes.
            server_hash: What the server says of them; equal hashes mean equal bytes.
        """
        digest, size = hashlib.sha256(), 0
        with self.spool() as waiting:
            for piece in pieces:
                digest.update(piece)
                waiting.write(piece)
                size += len(piece)
            content = ArchivedContent(digest.hexdigest(), size)
            new = self._index.execute(
                "INSERT OR IGNORE INTO stored VALUES (?)", (content.sha256,)
            ).rowcount
            if new:
                self.add(content_name(content.sha256), waiting)
        if server_hash:
            self._index.execute(
                "INSERT OR REPLACE INTO known VALUES (?, ?, ?)", (server_hash, *content)
            )
        return content

    def spool(self) -> IO[bytes]:
        """Open something that can be written and then added."""
        return cast("IO[bytes]", tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._folder)))

    def add(self, name: str, file: IO[bytes]) -> None:
        """Add what has been written to a file."""
        entry = tarfile.TarInfo(name)
        entry.size = file.tell()
        file.seek(0)
        self._tar.addfile(entry, file)
        self._tar.members.clear()  # type: ignore[attr-defined]  # or it would keep them all

    def finish(self, content: Manifest) -> None:
        """Write the manifest, last: an export without one is not whole."""
        file = io.BytesIO()
        file.write(manifest.dump(content))
        self.add(manifest.NAME, file)
        self._tar.close()
        self._index.close()


class ArchiveReader:
    """Reads an export, a tar or a folder, in memory that doesn't grow with it."""

    def __init__(self, path: Path) -> None:
        """Look through it.

        Raises:
            CliError: It isn't one, or a part of one.
        """
        self.path = path
        self._index = sqlite3.connect("", check_same_thread=False)  # a file, gone when closed
        self._index.execute(
            "CREATE TABLE parts (name TEXT PRIMARY KEY, start INTEGER, size INTEGER) WITHOUT ROWID"
        )
        if not path.is_dir():
            try:
                self._scan()
            except FAILURES as error:
                raise CliError(f"{path}: not a whole tar file: {error}") from None
        with self.open(manifest.NAME) as file:
            try:
                text = read_bounded(file, manifest.MAX_BYTES)
            except ValueError as error:
                raise CliError(f"{path}: {manifest.NAME}: {error}") from None
        self.manifest = manifest.load(text, str(path))

    def _scan(self) -> None:
        with self.path.open("rb") as file:
            bounded = BoundedFile(file)
            with open_tar(bounded, "r:") as tar:
                for entry in bounded.entries(tar):
                    if entry.isfile() and not entry.issparse():
                        self._add(entry)

    def _add(self, entry: tarfile.TarInfo) -> None:
        """Note where a file is.

        Raises:
            tarfile.ReadError: Another one has its name: which is meant nobody can say.
        """
        name = entry.name.removeprefix("./")
        try:
            self._index.execute(
                "INSERT INTO parts VALUES (?, ?, ?)", (name, entry.offset_data, entry.size)
            )
        except sqlite3.IntegrityError:
            raise tarfile.ReadError(f"{printable(name, 200)} is there twice") from None
        except (UnicodeEncodeError, OverflowError) as error:
            raise tarfile.ReadError(f"{printable(name, 200)}: {error}") from None

    def open(self, name: str) -> IO[bytes]:
        """Open a part.

        Raises:
            CliError: It isn't there.
        """
        shown = printable(name, 200)
        missing = CliError(f"{self.path} holds no {shown}: it isn't an export, or is incomplete")
        if self.path.is_dir():
            if "\0" in name:
                raise missing
            part = (self.path / name).resolve()
            if not part.is_file() or not part.is_relative_to(self.path.resolve()):
                raise missing
            return part.open("rb")
        query = "SELECT start, size FROM parts WHERE name = ?"
        row = self._index.execute(query, (name,)).fetchone()
        if row is None:
            raise missing
        return io.BufferedReader(_Part(self.path, *row), CHUNK)

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """Yield a content's bytes."""
        with self.open(content_name(sha256)) as file:
            while piece := file.read(CHUNK):
                yield piece

    def new_set(self) -> StringSet:
        """Make an empty set that needs no memory."""
        return StringSet(self._index)

    def close(self) -> None:
        """Forget what was looked through."""
        self._index.close()


class StringSet:
    """A set on disk."""

    def __init__(self, index: sqlite3.Connection) -> None:
        self._index = index
        index.execute("CREATE TEMP TABLE strings (string TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, string: str) -> bool:
        """Add a string; tell whether it is new."""
        insert = "INSERT OR IGNORE INTO strings VALUES (?)"
        return self._index.execute(insert, (string,)).rowcount > 0


class _Part(io.RawIOBase):
    """A stretch of a file."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: self._left]
        count = self._file.readinto(view) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
