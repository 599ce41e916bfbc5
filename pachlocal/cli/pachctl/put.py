"""put file: one stream that carries any number of files, in constant memory."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.references import FILE, Reference
from pachlocal.cli.pachctl.session import Session
from pachlocal.cli.pachctl.sources import STDIN, Item, check, expand, is_url, target_of
from pachlocal.proto import pfs_pb2

_CHUNK = 2 * 1024 * 1024


@command("file")
@click.argument("file", type=FILE)
@click.option(
    "-f",
    "--file",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="A file, a directory (with -r), a URL, or - for standard input. May be given repeatedly.",
)
@click.option(
    "-i", "--input-file", metavar="LIST", help="Put what this file names, one source a line."
)
@click.option("-r", "--recursive", is_flag=True, help="Put directories, with all that is in them.")
@click.option("-a", "--append", is_flag=True, help="Add to what is there instead of replacing it.")
@click.option(
    "--full-path", is_flag=True, help="Keep the source's whole path, not its last part alone."
)
@click.option("-c", "--compress", is_flag=True, help="Compress what goes over the network.")
# Files share one stream here, and no bars are drawn; scripts that ask for either must not fail.
@click.option("-p", "--parallelism", hidden=True, expose_value=False)
@click.option("--progress", hidden=True, expose_value=False)
@project_option
@pass_session
def put_file(
    session: Session,
    file: Reference,
    sources: tuple[str, ...],
    input_file: str | None,
    recursive: bool,
    append: bool,
    full_path: bool,
    compress: bool,
    project: str | None,
) -> None:
    """Write files into the branch's open commit, or into a commit of their own.

    A file that is there is replaced. Without a path, a source keeps its name; with one, a single
    source gets that path, and several go below it.
    """
    names = _listed(input_file) if input_file else list(sources or [STDIN])
    items = []
    for name in names:
        target = target_of(
            name, file.path, recursive=recursive, full_path=full_path, alone=len(names) == 1
        )
        check(name, recursive=recursive)
        items.append(Item(name, target))
    name = session.project(project)
    # A missing repo is told here; the stream would report it by its own words, if at all.
    session.server.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=file.to_repo(name)))
    upload = _Upload(file.to_commit(name), items, append=append, recursive=recursive)
    upload.run(session, grpc.Compression.Gzip if compress else None)


def _listed(input_file: str) -> list[str]:
    if input_file == STDIN:
        lines = sys.stdin.read().splitlines()
    else:
        lines = Path(input_file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line]


class _Upload:
    """One call of ModifyFile, which leaves nothing behind when a source fails half way."""

    def __init__(
        self, commit: pfs_pb2.Commit, items: Sequence[Item], *, append: bool, recursive: bool
    ) -> None:
        self._commit = commit
        self._items = items
        self._append = append
        self._recursive = recursive
        self._call: grpc.Future[Empty] | None = None
        self._started = threading.Event()
        self._problem: Exception | None = None

    def run(self, session: Session, compression: grpc.Compression | None) -> None:
        call = session.server.pfs.ModifyFile.future(self._guarded(), compression=compression)
        self._call = call
        self._started.set()
        try:
            call.result()
        except (grpc.RpcError, grpc.FutureCancelledError):
            if self._problem is not None:
                raise self._problem from None
            raise
        finally:
            call.cancel()  # without effect unless it was interrupted

    def _guarded(self) -> Iterator[pfs_pb2.ModifyFileRequest]:
        # gRPC runs this in a thread of its own. To end the stream is to commit it, so on failure
        # the call is cancelled first.
        try:
            yield from self._requests()
        except Exception as problem:
            self._problem = problem
            self._started.wait()
            if self._call is not None:
                self._call.cancel()

    def _requests(self) -> Iterator[pfs_pb2.ModifyFileRequest]:
        yield pfs_pb2.ModifyFileRequest(set_commit=self._commit)
        for item in self._items:
            for one in expand(item):
                if not self._append:
                    yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=one.target))
                yield from self._content(one)

    def _content(self, item: Item) -> Iterator[pfs_pb2.ModifyFileRequest]:
        if is_url(item.source):
            url = pfs_pb2.AddFile.URLSource(URL=item.source, recursive=self._recursive)
            added = pfs_pb2.AddFile(path=item.target, url=url)
            yield pfs_pb2.ModifyFileRequest(add_file=added)
            return
        empty = True
        for chunk in _read(item.source):
            empty = False
            added = pfs_pb2.AddFile(path=item.target, raw=BytesValue(value=chunk))
            yield pfs_pb2.ModifyFileRequest(add_file=added)
        if empty:
            yield pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=item.target))


def _read(source: str) -> Iterator[bytes]:
    # Unbuffered, also because the interpreter can't exit while a thread waits inside sys.stdin.
    descriptor = sys.stdin.fileno() if source == STDIN else os.open(source, os.O_RDONLY)
    try:
        while chunk := os.read(descriptor, _CHUNK):
            yield chunk
    except OSError as error:
        raise CliError(f"{source}: {error.strerror}") from error
    finally:
        if source != STDIN:
            os.close(descriptor)
