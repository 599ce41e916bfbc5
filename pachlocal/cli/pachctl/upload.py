"""Sending files: one stream, which changes all or nothing, in batches as far as the server can."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.progress import Progress
from pachlocal.cli.pachctl.sources import STDIN, Item, expand, is_url
from pachlocal.proto import pfs_pb2
from pachlocal.proto.local_pb2 import ModifyFilesRequest

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.connection import Server

_T = TypeVar("_T")

_CHUNK = 1024 * 1024
_FIRST_CHUNK = 64 * 1024  # most files are small, and making room for more takes time
_BATCH_BYTES = 1024 * 1024
_BATCH_REQUESTS = 1000


class Stream:
    """One call that changes files, and leaves nothing behind when what it sends fails half way."""

    def __init__(self) -> None:
        self._call: grpc.Future[Any] | None = None
        self._started = threading.Event()
        self._problem: Exception | None = None

    def transmit(
        self, server: Server, compression: grpc.Compression | None = None, *, many: bool
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
            return call.result()
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


class Upload(Stream):
    """Sends what is on this machine, or what URLs name."""

    def __init__(
        self,
        commit: pfs_pb2.Commit,
        items: Sequence[Item],
        progress: Progress,
        *,
        append: bool,
        recursive: bool,
    ) -> None:
        """Prepare it.

        Args:
            commit: What is written to.
            items: What is read, and where it goes.
            progress: Is told of what has been sent.
            append: Add to the files that are there instead of replacing them.
            recursive: URLs are of directories.
        """
        super().__init__()
        self._commit = commit
        self._items = items
        self._progress = progress
        self._append = append
        self._recursive = recursive

    def run(self, server: Server, compression: grpc.Compression | None) -> None:
        """Send everything.

        Args:
            server: Where to.
            compression: Of what goes over the network.

        Raises:
            CliError: A source can't be read.
            grpc.RpcError: The server refused.
        """
        self.transmit(server, compression, many=self._recursive or len(self._items) > 1)

    def _batches(self) -> Iterator[ModifyFilesRequest]:
        batch = ModifyFilesRequest()
        batch.requests.add().set_commit.CopyFrom(self._commit)
        files = size = 0
        for item in chain.from_iterable(map(expand, self._items)):
            add = batch.requests.add
            if not self._append:
                add().delete_file.path = item.target
            new = add().add_file
            new.path = item.target
            if is_url(item.source):
                new.url.URL = item.source
                new.url.recursive = self._recursive
            else:
                for chunk in read(item.source):
                    if new.HasField("raw"):  # one more of the same path is appended to it
                        new = batch.requests.add().add_file
                        new.path = item.target
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
