"""What the server fetches by itself: URLs, and files of this machine that it may read."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from io import FileIO
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from pachlocal.api.handover import SCHEME, HandoverServer
from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, UnsupportedError
from pachlocal.pfs.tree.chunking import Source

_TIMEOUT_S = 60.0  # of silence


class Sources:
    """Opens what a put names by URL.

    `http` and `https` are fetched. `file` is read below the folders that the daemon was told to
    share, and nowhere else: whoever can call the server could read the daemon's files otherwise.
    `descriptor` is a file that the client has opened itself.
    """

    def __init__(self, handover: HandoverServer, shared: Sequence[Path] = ()) -> None:
        self.handover = handover
        self._shared = [folder.resolve() for folder in shared]

    @contextmanager
    def open(self, url: str, *, recursive: bool) -> Iterator[Source]:
        """Open what is behind a URL, to be read.

        Raises:
            UnsupportedError: The scheme isn't served, or not recursively.
            FailedPreconditionError: It can't be had, or may not be read; reading raises it, too.
            NotFoundError: It is not an open file, or no longer.
            InvalidArgumentError: It is not a URL.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise InvalidArgumentError(f"{url}: {error}") from None
        if recursive:
            raise UnsupportedError(f"{url}: only an object store can be put recursively")
        if parts.scheme == SCHEME:
            with self.handover.opened(url) as descriptor:
                yield _Source(FileIO(descriptor, closefd=False), "the file can't be read")
        elif parts.scheme == "file":
            with self._file(url, Path(unquote(parts.path))) as file:
                yield _Source(file, f"{url} can't be read")
        elif parts.scheme in ("http", "https"):
            problem = f"error downloading {url}"
            with _fetch(url, problem) as answer:
                yield _Source(answer, problem)
        else:
            raise UnsupportedError(
                f"{url}: no source of this kind is served; use http, https or file"
            )

    def _file(self, url: str, path: Path) -> FileIO:
        try:
            place = path.resolve()
        except (ValueError, RuntimeError):  # a NUL, links in a circle
            raise InvalidArgumentError(f"{url} names no file") from None
        if not any(folder in place.parents for folder in self._shared):
            raise FailedPreconditionError(
                f"{url} may not be read: start the daemon with --share and a folder above it"
            )
        try:
            if not place.is_file():  # a pipe could keep a call waiting for ever
                raise FailedPreconditionError(f"{url} can't be read: it is not a file")
            return FileIO(place)
        except OSError as error:
            raise FailedPreconditionError(f"{url} can't be read: {error.strerror}") from None


class _Readable(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


class _Source:
    """Says what can't be read when reading fails."""

    def __init__(self, file: _Readable, problem: str) -> None:
        self._file = file
        self._problem = problem

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            return self._file.readinto(buffer) or 0
        except OSError as error:
            raise FailedPreconditionError(f"{self._problem}: {error.strerror or error}") from None
        except HTTPException as error:
            raise FailedPreconditionError(f"{self._problem}: {error}") from None


@contextmanager
def _fetch(url: str, problem: str) -> Iterator[_Readable]:
    try:
        answer = urllib.request.urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310 - scheme is checked
    except urllib.error.HTTPError as error:
        raise FailedPreconditionError(f"{problem}: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise FailedPreconditionError(f"{problem}: {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise FailedPreconditionError(f"{problem}: {error}") from None
    except ValueError as error:  # what urlsplit lets through
        raise InvalidArgumentError(f"{problem}: {error}") from None
    with answer:
        yield answer
