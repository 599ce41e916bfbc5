"""How a call ends that isn't made by gRPC."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """gRPC's status codes, without gRPC: https://grpc.io/docs/guides/status-codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class CallFailedError(Exception):
    """A call has failed.

    Attributes:
        code: The status.
        details: The server's words, or ours.
    """

    def __init__(self, code: Code, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
