"""The files in tar archives that are put one by one."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from pachlocal.errors import CliError
from pachlocal.tar_entries import FAILURES, BoundedFile, open_tar

_ZIPPED = (".tar.gz", ".tgz")
_CHUNK = 1024 * 1024


def is_archive(source: str) -> bool:
    """Tell by a file's name whether it is a tar archive."""
    return source.endswith((".tar", *_ZIPPED))


def files_in(source: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the path of each file in an archive, and its content, to be read before the next.

    Raises:
        CliError: It is none, can't be read, or holds something other than files.
    """
    try:
        with ExitStack() as stack:
            file: IO[bytes] | gzip.GzipFile = stack.enter_context(Path(source).open("rb"))
            if source.endswith(_ZIPPED):
                file = stack.enter_context(gzip.GzipFile(fileobj=file))
            bounded = BoundedFile(file)
            archive = stack.enter_context(open_tar(bounded, "r|"))
            for entry in bounded.entries(archive):
                if entry.isdir():
                    continue
                content = archive.extractfile(entry) if entry.isfile() else None
                if content is None:
                    raise CliError(f"{source}: {entry.name} is neither a file nor a directory")
                yield _path(entry.name), iter(partial(content.read, _CHUNK), b"")
    except FAILURES as error:
        raise CliError(f"{source}: it isn't a complete tar archive: {error}") from None
    except OSError as error:
        raise CliError(f"{source}: {error.strerror or error}") from None


def _path(name: str) -> str:
    return "/" + "/".join(part for part in name.split("/") if part not in ("", "."))
