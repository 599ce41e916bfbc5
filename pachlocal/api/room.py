"""Calls that make room: on a full disk they go on with the room that the store keeps back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Protocol, TypeVar

from pachlocal.api.service import Context
from pachlocal.pfs.filesystem import FileSystem


class _Api(Protocol):
    files: FileSystem


_S = TypeVar("_S", bound=_Api)
_Q = TypeVar("_Q")
_A = TypeVar("_A")


def makes_room(call: Callable[[_S, _Q, Context], _A]) -> Callable[[_S, _Q, Context], _A]:
    """Give a call the reserve when there is no room; it must change nothing when it fails."""

    @wraps(call)
    def with_reserve(self: _S, request: _Q, context: Context) -> _A:
        reserve = self.files.database.reserve
        return reserve.spend_if_full(lambda: call(self, request, context))

    return with_reserve
