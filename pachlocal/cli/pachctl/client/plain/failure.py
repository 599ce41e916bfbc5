"""A failed call as whoever catches gRPC's errors expects it."""

from __future__ import annotations

import grpc

from pachlocal.cli.pachctl.client.plain.status import Code

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Failure(grpc.RpcError):
    """A call that has failed, with the methods of grpc.Call that tell why."""

    def __init__(self, code: Code, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        """Return the status code; see grpc.Call."""
        return _CODES[self._code]

    def details(self) -> str:
        """Return the server's words; see grpc.Call."""
        return self._details
