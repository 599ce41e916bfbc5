"""get file: a file's bytes, or a directory's files."""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO

import click
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.cli.pachctl.client.output_file import is_file_or_new, replacing
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    COUNT,
    command,
    pass_session,
    progress_option,
    project_option,
)
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachctl.references import FILE_PATH, Reference
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2

_CHUNK = 1024 * 1024


@command("file")
@click.argument("file", type=FILE_PATH)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="PATH",
    help="Write to this file instead of standard output.",
)
@click.option("-r", "--recursive", is_flag=True, help="A directory, with everything in it.")
@click.option(
    "--offset",
    type=COUNT,
    default=0,
    metavar="BYTES",
    help="Skip this many bytes at the beginning.",
)
@click.option("--retry", is_flag=True, help="Complete a partly downloaded file.")
@progress_option
@project_option
@pass_session
def get_file(
    session: Session,
    file: Reference,
    output: str | None,
    recursive: bool,
    offset: int,
    retry: bool,
    progress: bool,
    project: str | None,
) -> None:
    """Print a file, or write it or a directory to disk."""
    target = file.to_file(session.project(project))
    if retry and output and not recursive and Path(output).is_file():
        _append_rest(session, target, Path(output), offset)
        return
    get(session, target, output, recursive=recursive, offset=offset, progress=progress)


def get(
    session: Session,
    target: pfs_pb2.File,
    output: str | None,
    *,
    recursive: bool,
    offset: int = 0,
    progress: bool = True,
) -> None:
    """Print a file, or write it or a directory to disk.

    Args:
        session: The call's session.
        target: What to get.
        output: Where to; None is standard output.
        recursive: It is a directory.
        offset: Bytes to leave out.
        progress: Show how far it is, on a terminal.
    """
    if recursive:
        if not output:
            raise click.UsageError("-r needs to know where to: -o PATH.")
        _get_directory(session, target, Path(output), progress)
        return
    request = pfs_pb2.GetFileRequest(file=target, offset=offset)
    shown = progress and output is not None
    with TransferProgress(wanted=shown) as meter:
        if output is not None and is_file_or_new(Path(output)):
            _get_to_file(session, request, Path(output), meter)
            return
        pieces = session.server.pfs.GetFile(request)
        first = next(pieces, None)  # an error comes here, before a pipe is opened
        with _open_output(output) as out:
            for piece in chain([first] if first else [], pieces):
                out.write(piece.value)
                meter.advance(0, len(piece.value))


def _append_rest(session: Session, target: pfs_pb2.File, path: Path, offset: int) -> None:
    """Append to a file what it lacks: what comes behind as many bytes as it has, or `offset`."""
    request = pfs_pb2.GetFileRequest(file=target, offset=offset or path.stat().st_size)
    pieces = session.server.pfs.GetFile(request)
    first = next(pieces, None)  # an error comes here, before anything is written
    try:
        with path.open("ab") as out:
            out.writelines(piece.value for piece in chain([first] if first else [], pieces))
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None


def _get_to_file(
    session: Session, request: pfs_pb2.GetFileRequest, path: Path, meter: TransferProgress
) -> None:
    from pachlocal.cli.pachctl.client.handover import (
        HandoverClient,  # takes a while, and most are printed
    )

    with replacing(path) as out, HandoverClient(session.server) as handover:
        request.URL = handover.lend(out.fileno())
        shown = 0
        for piece in session.server.pfs.GetFile(request):
            out.write(piece.value)
            written = handover.position if request.URL else shown + len(piece.value)
            meter.advance(0, written - shown)
            shown = written


@contextmanager
def _open_output(output: str | None) -> Iterator[IO[bytes]]:
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    if path.is_dir():
        raise CliError(f"{output} is a directory: name a file, or add -r to get a directory")
    with path.open("wb") as out:  # a pipe or a device
        yield out


def _get_directory(session: Session, target: pfs_pb2.File, folder: Path, progress: bool) -> None:
    info = session.server.pfs.InspectFile(pfs_pb2.InspectFileRequest(file=target))
    pieces = session.server.pfs.GetFileTAR(pfs_pb2.GetFileRequest(file=target))
    silent = TransferProgress(wanted=False)  # what comes holds names and padding, too
    archive = io.BufferedReader(StreamReader(pieces, silent), _CHUNK)
    with (
        tarfile.open(fileobj=archive, mode="r|") as tar,
        TransferProgress(wanted=progress, size_bytes=info.size_bytes) as meter,
    ):
        unpack(tar, info.file.path, folder, meter)


class StreamReader(io.RawIOBase):
    """Makes one file of a stream of byte strings."""

    def __init__(self, pieces: Iterator[BytesValue], meter: TransferProgress) -> None:
        self._pieces = pieces
        self._meter = meter
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Whether it can be read; see io.IOBase."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; see io.RawIOBase."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece.value)
            self._meter.advance(0, len(self._rest))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def unpack(
    tar: tarfile.TarFile, prefix: str, folder: Path, meter: TransferProgress | None = None
) -> None:
    """Write a TAR stream's files and directories, and nothing outside a folder.

    Links and devices are left out: the store has none, and they could lead elsewhere.

    Args:
        tar: The archive, with absolute names.
        prefix: The part of the names to leave out.
        folder: Where to.
        meter: Is told of what has been written.

    Raises:
        CliError: A name leads outside the folder.
    """
    root = folder.resolve()  # what it leads to; a link that the user has put there is fine
    made: set[Path] = set()  # folders that are there, and inside
    while (entry := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # or it would keep them all
        path = root / _below(entry.name, prefix)
        if ".." in path.parts or not _leads_inside(path, root, made):
            raise CliError(f"{entry.name} leads outside {folder}: it isn't written")
        if entry.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif entry.isfile() and (content := tar.extractfile(entry)):
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            with path.open("wb") as out:
                shutil.copyfileobj(content, out, _CHUNK)
            if meter is not None:
                meter.advance(1, entry.size)


def _leads_inside(path: Path, root: Path, made: set[Path]) -> bool:
    # To follow a whole path takes long; where its folder is known to be inside, only the file
    # itself can be a link.
    if path.parent in made and not path.is_symlink():
        return True
    return path.resolve().is_relative_to(root)


def _below(name: str, prefix: str) -> PurePosixPath:
    path = PurePosixPath("/" + name.lstrip("/"))
    start = PurePosixPath(prefix)
    return path.relative_to(start if path.is_relative_to(start) else "/")
