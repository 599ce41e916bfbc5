"""What a commit changed, as lines of JSON: files written, by their content's hash, and deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from pachlocal.cli.pachlocal.transfer.archive import ArchivedContent, ArchiveReader
from pachlocal.cli.pachlocal.transfer.manifest import changes_name
from pachlocal.errors import CliError
from pachlocal.untrusted import parse_json

_MAX_LINE = 2**16  # bytes; a path has a few thousand at most
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileChange(NamedTuple):
    """A file that a commit wrote, or deleted: then it has no content."""

    path: str
    content: ArchivedContent | None


def write(out: IO[bytes], change: FileChange) -> None:
    """Add a line."""
    line: dict[str, object] = {"path": change.path}
    if change.content is None:
        line["deleted"] = True
    else:
        line.update(change.content._asdict())
    out.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")


def read(reader: ArchiveReader, repo: str, commit: str) -> Iterator[FileChange]:
    """Yield what a commit changed.

    Raises:
        CliError: The list isn't there, or a line of it isn't one.
    """
    name = changes_name(repo, commit)
    with reader.open(name) as file:
        number = 0
        while line := file.readline(_MAX_LINE + 1):
            number += 1
            try:
                if len(line) > _MAX_LINE:
                    raise ValueError("the line is too long")
                yield _parse(parse_json(line))
            except ValueError as error:
                raise CliError(f"{reader.path}: {name}:{number}: {error}") from None


def _parse(line: object) -> FileChange:
    if not isinstance(line, dict) or not isinstance(line.get("path"), str):
        raise ValueError("a change needs a path")
    if line.get("deleted"):
        return FileChange(line["path"], None)
    sha256, size = line.get("sha256"), line.get("size")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or not isinstance(size, int):
        raise ValueError("a file needs a sha256 and a size")
    return FileChange(line["path"], ArchivedContent(sha256, size))
