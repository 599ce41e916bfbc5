"""Sending files: one stream, which changes all or nothing, in batches as far as the server can."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from pachlocal.cli.pachctl.client.handover import WORTHWHILE, HandoverClient
from pachlocal.cli.pachctl.pfs.archives import files_in, is_archive
from pachlocal.cli.pachctl.pfs.sources import STDIN, Item, expand, is_url
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2
from pachlocal.proto.local_pb2 import ModifyFilesRequest

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.connection import APIClient

_T = TypeVar("_T")

_CHUNK = 1024 * 1024
_FIRST_CHUNK = 64 * 1024  # most files are small, and making room for more takes time
_BATCH_BYTES = 1024 * 1024
_BATCH_REQUESTS = 1000
_LOOK_S = 0.2


class Stream:
    """One call that changes files, and leaves nothing behind when what it sends fails half way."""

    def __init__(self) -> None:
        self._call: grpc.Future[Any] | None = None
        self._started = threading.Event()
        self._problem: Exception | None = None

    def transmit(
        self, server: APIClient, compression: grpc.Compression | None = None, *, many: bool
    ) -> None:
        """Send everything.

        Args:
            server: Where to.
            compression: Of what goes over the network.
            many: Whether it may be more than a file, and batches are worth asking for.

        Raises:
            CliError: A source can't be read.
            grpc.RpcError: The server refused.
        """
        local = server.local if many else None
        if local is not None:
            self.send(partial(local.ModifyFiles.future, compression=compression))
        else:
            one_by_one = partial(server.pfs.ModifyFile.future, compression=compression)
            self.send(
                lambda batches: one_by_one(chain.from_iterable(it.requests for it in batches))
            )

    def send(self, start: Callable[[Iterator[ModifyFilesRequest]], grpc.Future[_T]]) -> _T:
        """Send everything by a call, and return its answer.

        Args:
            start: Starts the call.

        Raises:
            CliError: A source can't be read.
            grpc.RpcError: The server refused.
        """
        call = self._call = start(self._guarded())
        self._started.set()
        try:
            while True:
                try:
                    return call.result(_LOOK_S)
                except grpc.FutureTimeoutError:
                    self._look()
        except (grpc.RpcError, grpc.FutureCancelledError):
            if self._problem is not None:
                raise self._problem from None
            raise
        finally:
            call.cancel()  # without effect unless it was interrupted

    def _guarded(self) -> Iterator[ModifyFilesRequest]:
        # gRPC runs this in a thread of its own. To end the stream is to commit it, so on failure
        # the call is cancelled first.
        try:
            yield from self._batches()
        except Exception as problem:
            self._problem = problem
            self._started.wait()
            if self._call is not None:
                self._call.cancel()

    def _batches(self) -> Iterator[ModifyFilesRequest]:
        raise NotImplementedError

    def _look(self) -> None:
        """Do what is to be done now and then, until the call has ended."""


class Upload(Stream):
    """Sends what is on this machine, or what URLs name."""

    def __init__(
        self,
        commit: pfs_pb2.Commit,
        items: Sequence[Item],
        progress: TransferProgress,
        *,
        append: bool,
        recursive: bool,
        untar: bool = False,
    ) -> None:
        """Prepare it.

        Args:
            commit: What is written to.
            items: What is read, and where it goes.
            progress: Is told of what has been sent.
            append: Add to the files that are there instead of replacing them.
            recursive: URLs are of directories.
            untar: The files in archives are sent, by their names there.
        """
        super().__init__()
        self._commit = commit
        self._items = items
        self._progress = progress
        self._append = append
        self._recursive = recursive
        self._untar = untar
        self._handover: HandoverClient | None = None
        self._shown = 0  # bytes of handed-over files

    def run(self, server: APIClient, compression: grpc.Compression | None) -> None:
        """Send everything.

        Args:
            server: Where to.
            compression: Of what goes over the network.

        Raises:
            CliError: A source can't be read.
            grpc.RpcError: The server refused.
        """
        with HandoverClient(server) as self._handover:
            many = self._recursive or self._untar or len(self._items) > 1
            self.transmit(server, compression, many=many)

    def _look(self) -> None:
        if self._handover is not None:
            read, shown = self._handover.position, self._shown
            self._shown = read
            self._progress.advance(0, read - shown)

    def _lend(self, source: str) -> str:
        """Hand a large file over; return its URL, or nothing."""
        if self._handover is None or not _is_large(source):
            return ""
        with Path(source).open("rb", buffering=0) as file:
            return self._handover.lend(file.fileno())

    def _parts(self, item: Item) -> Iterator[tuple[str, str, Iterator[bytes]]]:
        """Yield what an item puts: where, and of which URL or with which content."""
        if is_url(item.source):
            yield item.target, item.source, iter(())
        elif self._untar and is_archive(item.source):
            for path, chunks in files_in(item.source):
                yield path, "", chunks
        elif url := self._lend(item.source):
            yield item.target, url, iter(())
        else:
            yield item.target, "", read(item.source)

    def _batches(self) -> Iterator[ModifyFilesRequest]:
        batch = ModifyFilesRequest()
        batch.requests.add().set_commit.CopyFrom(self._commit)
        files = size = 0
        items = chain.from_iterable(map(expand, self._items))
        for target, url, chunks in chain.from_iterable(map(self._parts, items)):
            add = batch.requests.add
            if not self._append:
                add().delete_file.path = target
            new = add().add_file
            new.path = target
            if url:
                new.url.URL = url
                new.url.recursive = self._recursive and is_url(url)  # a file that is lent is one
            else:
                for chunk in chunks:
                    if new.HasField("raw"):  # one more of the same path is appended to it
                        new = batch.requests.add().add_file
                        new.path = target
                    new.raw.value = chunk
                    size += len(chunk)
                    if size >= _BATCH_BYTES:
                        yield batch
                        self._progress.advance(files, size)
                        batch, files, size = ModifyFilesRequest(), 0, 0
            files += 1
            if len(batch.requests) >= _BATCH_REQUESTS:
                yield batch
                self._progress.advance(files, size)
                batch, files, size = ModifyFilesRequest(), 0, 0
        yield batch
        self._progress.advance(files, size)


def _is_large(source: str) -> bool:
    """Whether a source is a file that had better be handed over."""
    if source == STDIN or is_url(source):
        return False
    try:
        found = Path(source).stat()
    except OSError:
        return False  # to be told when it is read
    return stat.S_ISREG(found.st_mode) and found.st_size >= WORTHWHILE


def read(source: str) -> Iterator[bytes]:
    """Read a file, or standard input, in pieces.

    Raises:
        CliError: It can't be read.
    """
    # Unbuffered, also because the interpreter can't exit while a thread waits inside sys.stdin.
    try:
        descriptor = sys.stdin.fileno() if source == STDIN else os.open(source, os.O_RDONLY)
        try:
            length = _FIRST_CHUNK
            while chunk := os.read(descriptor, length):
                yield chunk
                length = _CHUNK
        finally:
            if source != STDIN:
                os.close(descriptor)
    except OSError as error:
        raise CliError(f"{source}: {error.strerror}") from error
