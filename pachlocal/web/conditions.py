"""Conditional and range requests: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from starlette.datastructures import Headers

_RANGE = re.compile(r"bytes=\s*([0-9]{0,40})-([0-9]{0,40})\s*")


class UnsatisfiableError(ValueError):
    """No byte of the file is in the range."""


def failed(headers: Headers, etag: str, modified: datetime | None, *, read: bool) -> int:
    """Return the status that a request's conditions lead to; 0: go on (section 13.2.2).

    Args:
        headers: Of the request.
        etag: Of the file, with its quotes; empty when there is no file.
        modified: When it was committed, if it was.
        read: Whether the request only reads.
    """
    if (wanted := headers.get("if-match")) is not None:
        if not _names(wanted, etag, weak=False):
            return 412
    elif (time := _time(headers.get("if-unmodified-since"))) and modified and modified > time:
        return 412
    if (unwanted := headers.get("if-none-match")) is not None:
        if _names(unwanted, etag, weak=True):
            return 304 if read else 412
    elif read and modified and (time := _time(headers.get("if-modified-since"))):
        return 304 if modified <= time else 0
    return 0


def wanted_range(
    headers: Headers, size: int, etag: str, modified: datetime | None
) -> tuple[int, int] | None:
    """Return the range that is asked for, as start and end; None for the whole file.

    Several ranges, and anything but a range of bytes, are ignored, as section 14.2 allows.

    Raises:
        UnsatisfiableError: It begins behind the end.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or not _holds(headers.get("if-range"), etag, modified):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise UnsatisfiableError
    return start, end


def _holds(condition: str | None, etag: str, modified: datetime | None) -> bool:
    if condition is None:
        return True
    if condition.lstrip().startswith(('"', "W/")):
        return condition.strip() == etag
    return modified is not None and _time(condition) == modified


def _names(field: str, etag: str, *, weak: bool) -> bool:
    """Whether one of the tags in a field is a file's; `*` is any, so there has to be one."""
    if field.strip() == "*":
        return bool(etag)
    tags = [tag.strip() for tag in field.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None  # as if it weren't there
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
