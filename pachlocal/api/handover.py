"""Open files that clients on this machine hand over, instead of sending what is in them.

A descriptor carries its owner's right to the file (SCM_RIGHTS, unix(7)), so the daemon reads and
writes nothing that the client couldn't. The socket lies in the store, which is its owner's alone.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingMixIn, UnixStreamServer

from pachlocal.errors import FailedPreconditionError, NotFoundError

SCHEME = "descriptor"

_log = logging.getLogger(__name__)


class HandoverServer:
    """The socket, and what has been handed over.

    Attributes:
        socket: Its path; empty when there is none.
        url_prefix: What the URLs of all files begin with.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Listen.

        Args:
            path: Where the socket is to be; None for none. What a daemon that was killed has left
                there is replaced.
        """
        self.socket = ""
        self.url_prefix = f"{SCHEME}:{secrets.token_hex(8)}-"
        self._lock = threading.Lock()
        self._files: dict[str, int] = {}
        self._server: _SocketServer | None = None
        if path is None:
            return
        path.unlink(missing_ok=True)
        try:
            self._server = _SocketServer(path, self)
        except OSError as error:  # the path may be longer than a socket's can be
            _log.info("files can't be handed over, and are sent: %s: %s", path, error)
            return
        path.chmod(0o600)
        self.socket = str(path)
        threading.Thread(target=self._server.serve_forever, name="handover").start()

    @contextmanager
    def lent(self, file: int) -> Iterator[str]:
        """Let an open file be used by its URL while the block runs."""
        url = self.url_prefix + secrets.token_hex(16)
        with self._lock:
            self._files[url] = file
        try:
            yield url
        finally:
            with self._lock:
                del self._files[url]

    @contextmanager
    def opened(self, url: str) -> Iterator[int]:
        """Open the file of a URL: a descriptor of its own, which shares the client's position.

        Raises:
            NotFoundError: It is none, or the client has gone.
        """
        with self._lock:
            file = self._files.get(url)
            if file is None:
                raise NotFoundError(f"{url}: no open file goes by this URL")
            mine = os.dup(file)
        try:
            yield mine
        finally:
            os.close(mine)

    def close(self) -> None:
        """Take no more files."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            Path(self.socket).unlink(missing_ok=True)


class _SocketServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False  # a connection lasts as long as its client likes

    def __init__(self, path: Path, handover: HandoverServer) -> None:
        self.handover = handover
        super().__init__(str(path), _Connection)


class _Connection(BaseRequestHandler):
    request: socket.socket
    server: _SocketServer

    def handle(self) -> None:
        """Take one file, and keep it until the client hangs up."""
        _, files, _, _ = socket.recv_fds(self.request, 1, 1)
        try:
            if len(files) != 1 or not stat.S_ISREG(os.fstat(files[0]).st_mode):
                return  # a pipe or a device could keep a call waiting for ever
            with self.server.handover.lent(files[0]) as url:
                self.request.sendall(url.encode())
                self.request.recv(1)
        except ConnectionError:
            _log.info("a client that handed over a file has gone")
        finally:
            for file in files:
                os.close(file)


def write(file: int, position: int, data: bytes) -> None:
    """Write bytes to a handed-over file.

    Args:
        file: Its descriptor.
        position: Where, in bytes.
        data: What.

    Raises:
        FailedPreconditionError: They can't be written.
    """
    view = memoryview(data)
    try:
        while view:
            count = os.pwrite(file, view, position)
            view, position = view[count:], position + count
    except OSError as error:
        raise FailedPreconditionError(f"the file can't be written: {error.strerror}") from None
