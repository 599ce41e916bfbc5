"""What the server fetches by itself: URLs, and files of this machine that it may read."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pachlocal.errors import ConflictError, UnsupportedError

_PIECE = 1024 * 1024  # bytes read at once
_TIMEOUT_S = 60.0  # of silence


class Sources:
    """Opens what a put names by URL.

    `http` and `https` are fetched. `file` is read below the folders that the daemon was told to
    share, and nowhere else: whoever can call the server could read the daemon's files otherwise.
    """

    def __init__(self, shared: Sequence[Path] = ()) -> None:
        self._shared = [folder.resolve() for folder in shared]

    def open(self, url: str, *, recursive: bool) -> Iterator[bytes]:
        """Yield the bytes behind a URL.

        Raises:
            UnsupportedError: The scheme isn't served, or not recursively.
            ConflictError: It can't be had, or may not be read.
        """
        parts = urlsplit(url)
        if recursive:
            raise UnsupportedError(f"{url}: only an object store can be put recursively")
        if parts.scheme == "file":
            return self._file(url, Path(unquote(parts.path)))
        if parts.scheme in ("http", "https"):
            return _fetch(url)
        raise UnsupportedError(f"{url}: no source of this kind is served; use http, https or file")

    def _file(self, url: str, path: Path) -> Iterator[bytes]:
        place = path.resolve()
        if not any(folder in place.parents for folder in self._shared):
            raise ConflictError(
                f"{url} may not be read: start the daemon with --share and a folder above it"
            )
        try:
            with place.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise ConflictError(f"{url} can't be read: {error.strerror}") from None


def _fetch(url: str) -> Iterator[bytes]:
    try:
        answer = urllib.request.urlopen(url, timeout=_TIMEOUT_S)  # noqa: S310 - scheme is checked
        with closing(answer):
            while piece := answer.read(_PIECE):
                yield piece
    except urllib.error.HTTPError as error:
        raise ConflictError(f"error downloading {url}: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise ConflictError(f"error downloading {url}: {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise ConflictError(f"error downloading {url}: {error}") from None
