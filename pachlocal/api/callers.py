"""Calls that go through much, and end when their caller goes."""

from __future__ import annotations

from collections.abc import Callable

from pachlocal.api.service import Context
from pachlocal.errors import CallerGoneError
from pachlocal.pfs.tree.content import Reader, Watched


def check(context: Context) -> Callable[[], None]:
    """Return what raises CallerGoneError once the caller has gone, or the server stops."""

    def check_caller() -> None:
        if not context.is_active():
            raise CallerGoneError

    return check_caller


def watched(objects: Reader, context: Context) -> Watched:
    """Return objects that can be read while the caller is there."""
    return Watched(objects, check(context))
