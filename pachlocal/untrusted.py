"""Reads untrusted input in bounded memory, and prints it safely.

JSON within the bounds takes at most some 250 MB of memory, and what works on it later by recursion
goes no deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

MAX_DEPTH = 100
"""Levels of lists and objects; what is meant for Pachyderm has about ten."""

MAX_VALUES = 2_000_000
"""Values in one document; a pipeline of 100,000 inputs has 500,000."""

_MAX_DIGITS = 40  # of a whole number: 64 bits are 20
_SHOWN = 4000  # characters of a message


def read_bounded(file: IO[bytes] | Path, most: int) -> bytes:
    """Read a whole file that must not be large.

    Args:
        file: The file.
        most: The most bytes that it may have.

    Raises:
        ValueError: It has more.
        OSError: It can't be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return read_bounded(opened, most)
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most // 2**20} MiB")
    return content


def decode_text(content: bytes) -> str:
    """Return bytes as text (UTF-8, with or without a mark at its beginning).

    Raises:
        ValueError: They are none.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not a text file") from None


def parse_json(text: str | bytes) -> Any:
    """Return the one value that a JSON text holds.

    Raises:
        json.JSONDecodeError: It isn't JSON.
        ValueError: It isn't UTF-8, or holds what `check_plain` refuses, or a name twice in one
            object.
    """
    if isinstance(text, bytes):
        text = decode_text(text)
    value, end = decode_json(text, len(text) - len(text.lstrip()))
    if text[end:].strip():
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def decode_json(text: str, position: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at a place of a text, and where it ends.

    Raises:
        json.JSONDecodeError: There is none.
        ValueError: See `parse_json`.
    """
    # Counted before anything is made of it; those in strings count too.
    if sum(text.count(sign, position) for sign in "[{,") > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES:,} values")
    try:
        value, end = _DECODER.raw_decode(text, position)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    check_plain(value)
    return value, end


def check_plain(value: object, most: int = MAX_VALUES) -> None:
    """See that a value is what JSON can hold, and within bounds.

    Args:
        value: The value.
        most: How many values it may have; what it holds several times counts each time.

    Raises:
        ValueError: It is nested too deeply, or has too many values, or one that JSON doesn't have:
            NaN, infinity, half of a surrogate pair, a key that isn't text, bytes, a date.
    """
    left = [iter((value,))]  # what is still to be looked at, of each level
    seen = 0
    while left:
        for item in left[-1]:
            seen += 1
            if seen > most:
                raise ValueError(f"it has more than {most:,} values")
            if isinstance(item, (dict, list)):
                if len(left) > MAX_DEPTH:
                    raise ValueError(_TOO_DEEP)
                left.append(_parts(item))
                break
            _check_scalar(item)
        else:
            left.pop()


def _parts(item: dict[object, object] | list[object]) -> Iterator[object]:
    if isinstance(item, list):
        return iter(item)
    for key in item:
        if not isinstance(key, str):
            raise ValueError(
                f"the name {printable(repr(key))} in an object isn't a string: quote it"
            )
        _check_scalar(key)
    return iter(item.values())


def _check_scalar(item: object) -> None:
    if isinstance(item, str):
        if not item.isascii():
            try:
                item.encode()
            except UnicodeEncodeError as error:
                raise ValueError(
                    f"a text holds half of a character (\\u{ord(item[error.start]):04x})"
                ) from None
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise ValueError(f"{item} isn't a JSON number")
    elif isinstance(item, int):  # a bool is one
        if abs(item) >= 10**_MAX_DIGITS:
            raise ValueError("a number is too large")
    elif item is not None:
        raise ValueError(f"JSON has no values of type {type(item).__name__}")


def printable(text: str, most: int = _SHOWN) -> str:
    """Return a text that does nothing to a terminal: one line, of a bounded length.

    What a terminal would act on, or what hides how a text reads, is written as Python writes it.
    """
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-most // 2 :]}"
    if text.isprintable():
        return text
    return "".join(it if it.isprintable() else repr(it)[1:-1] for it in text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f'"{printable(twice, 100)}" stands twice in one object')
    return result


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits is too large")
    return int(digits)


_TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer)
