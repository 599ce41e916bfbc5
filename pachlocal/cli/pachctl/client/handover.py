"""Handing open files over to a server on this machine, instead of sending what is in them."""

from __future__ import annotations

import os
import socket
import threading
from functools import cached_property
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from pachlocal.cli.pachctl.client.failures import call_error
from pachlocal.proto.local_pb2 import HandoverInfo

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.connection import APIClient

WORTHWHILE = 4 * 1024 * 1024  # bytes; smaller files are sent as quickly
_MOST = 64  # files that are handed over at a time
_TIMEOUT_S = 5.0


class HandoverClient:
    """Files that a server can read or write while the block runs."""

    def __init__(self, server: APIClient) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._lent: list[_Lent] = []
        self._done = 0  # bytes of those that the server has done with

    def __enter__(self) -> HandoverClient:
        return self

    def __exit__(self, *_: object) -> None:
        for lent in self._lent:
            lent.close()

    def lend(self, file: int) -> str:
        """Hand a file over.

        Args:
            file: A descriptor, at the position to begin with; it may be closed afterwards.

        Returns:
            The URL that it goes by; empty if the server can't take it, or not now.
        """
        with self._lock:
            self._take_back()
            if not self._info.socket or len(self._lent) >= _MOST:
                return ""
            try:
                lent = _Lent(file, self._info.socket)
            except OSError:  # the socket is on another machine, or another user's
                return ""
            self._lent.append(lent)
        # Another prefix is that of a neighbour of the server that was asked.
        return lent.url if lent.url.startswith(self._info.url_prefix) else ""

    @cached_property
    def _info(self) -> HandoverInfo:
        """Where the server takes files; nowhere when it doesn't."""
        if self._server.address.is_local and hasattr(socket, "send_fds"):
            local = self._server.local
            if local is not None:
                try:
                    return local.InspectHandover(Empty())
                except call_error():  # an older one
                    pass
        return HandoverInfo()

    @property
    def position(self) -> int:
        """How many bytes of all files the server has read or written."""
        with self._lock:
            return self._done + sum(lent.position for lent in self._lent)

    def _take_back(self) -> None:
        for lent in [lent for lent in self._lent if lent.position >= lent.size]:
            self._done += lent.position
            self._lent.remove(lent)
            lent.close()


class _Lent:
    """A file that the server has, by a connection that is open as long as it may have it."""

    def __init__(self, file: int, path: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        try:
            self._connection.settimeout(_TIMEOUT_S)
            self._connection.connect(path)
            socket.send_fds(self._connection, [b"f"], [file])
            self.url = self._connection.recv(256).decode()
            self._file = os.dup(file)
        except OSError:
            self._connection.close()
            raise
        self.size = os.fstat(file).st_size

    @property
    def position(self) -> int:
        """Where the server is; both sides share it."""
        return os.lseek(self._file, 0, os.SEEK_CUR)

    def close(self) -> None:
        """End it."""
        self._connection.close()
        os.close(self._file)
