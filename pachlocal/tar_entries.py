"""The entries of an untrusted tar file.

`tarfile` reads a long name, a table of attributes or the map of a sparse file into memory whatever
its size. Here they are bounded, and so is what an archive unpacks to.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Literal

_MAX_HEADERS = 1 << 20  # bytes before a file, a name of 4096 among them
_BLOCK = 4096  # bytes of a disk that the smallest file takes

FAILURES = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
"""What reading raises when it is not an archive, or a damaged one."""


class BoundedFile(io.RawIOBase):
    """A file to read an archive from, which refuses headers that are too large."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        """Take a file; it stays the caller's to close."""
        self._file = file
        self._left: int | None = _MAX_HEADERS  # bytes that may still be read; None for any

    def entries(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        """Yield the entries of an archive that is read from this file, and remember none.

        Raises:
            tarfile.TarError: It is damaged, or a header is too large.
        """
        while True:
            self._left = _MAX_HEADERS
            try:
                entry = archive.next()
            except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
                raise tarfile.ReadError(f"a header can't be read ({error})") from None
            self._left = None
            if entry is None:
                return
            archive.members.clear()  # type: ignore[attr-defined]  # or it would keep them all
            if entry.size < 0:
                raise tarfile.ReadError("a file has a size below 0")
            yield entry

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell whether the file below can be read from any place."""
        return self._file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Tell the place."""
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read some bytes.

        Raises:
            tarfile.ReadError: They are a header's, and too many.
        """
        if self._left is not None:
            if size is None or not 0 <= size <= self._left:
                raise tarfile.ReadError(f"a header is larger than {_MAX_HEADERS // 2**20} MiB")
            self._left -= size
        return self._file.read(-1 if size is None else size)


def open_tar(file: BoundedFile, mode: Literal["r:", "r|"]) -> tarfile.TarFile:
    """Open an archive that is not compressed.

    Raises:
        tarfile.TarError: It is none.
    """
    return tarfile.open(fileobj=file, mode=mode, tarinfo=_TarEntry)


class _TarEntry(tarfile.TarInfo):
    """An entry whose headers are whole; tarfile takes one that isn't for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _TarEntry:
        try:
            return super().fromtarfile(archive)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise  # the end
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"a header is damaged ({error})") from None


class Room:
    """Counts what is unpacked, up to a limit."""

    def __init__(self, most: int) -> None:
        """Set the limit, in bytes."""
        self._most = most
        self._taken = 0

    def take(self, entry: tarfile.TarInfo) -> None:
        """Count an entry that is going to be unpacked.

        Raises:
            OverflowError: That is more than the limit.
        """
        self._taken += max(entry.size if entry.isfile() else 0, _BLOCK)
        if self._taken > self._most:
            raise OverflowError
