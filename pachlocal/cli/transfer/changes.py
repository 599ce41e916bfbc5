"""What a commit changed, as lines of JSON: files written, by their content's hash, and deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.transfer.archive import Content, Reader
from pachlocal.cli.transfer.manifest import changes_name

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Change(NamedTuple):
    """A file that a commit wrote, or deleted: then it has no content."""

    path: str
    content: Content | None


def write(out: IO[bytes], change: Change) -> None:
    """Add a line."""
    line: dict[str, object] = {"path": change.path}
    if change.content is None:
        line["deleted"] = True
    else:
        line.update(change.content._asdict())
    out.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")


def read(reader: Reader, repo: str, commit: str) -> Iterator[Change]:
    """Yield what a commit changed.

    Raises:
        CliError: The list isn't there, or a line of it isn't one.
    """
    name = changes_name(repo, commit)
    with reader.open(name) as file:
        for number, line in enumerate(file, 1):
            try:
                yield _parse(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise CliError(f"{reader.path}: {name}:{number}: {error}") from None


def _parse(line: dict[str, object]) -> Change:
    path, deleted = str(line["path"]), line.get("deleted")
    if deleted:
        return Change(path, None)
    sha256, size = line["sha256"], line["size"]
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or not isinstance(size, int):
        raise ValueError("a file needs a sha256 and a size")
    return Change(path, Content(sha256, size))
