"""Calls that block: they wait for a change of the store, and end when the caller goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pachlocal.api.service import CallerGoneError, Context
from pachlocal.storage.news import News


def until(news: News, context: Context, found: Callable[[], bool]) -> None:
    """Block until something is found; asked again at each change of the store.

    Raises:
        CallerGoneError: The caller has gone, or the server stops.
    """
    context.add_callback(news.wake)
    if not news.wait_until(found, context.is_active):
        raise CallerGoneError


def changes(news: News, context: Context) -> Iterator[None]:
    """Yield at once, and again after each change of the store, while the caller is there."""
    context.add_callback(news.wake)
    for seen in news.until(lambda: not context.is_active()):
        yield
        news.wait(seen)
