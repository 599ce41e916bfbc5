"""How things are put in words: ages, sizes, states, and messages as they are."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_COLORS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "dim": 2}
_MINUTE, _HOUR = 60, 3600


def size(count: int) -> str:
    """Write a number of bytes with four digits and a binary unit: 4551 is 4.444KiB."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.4g}{_UNITS[unit]}"


def span(seconds: float) -> str:
    """Write a length of time in words, roughly."""
    if seconds < 1:
        return "Less than a second"
    if seconds < _MINUTE:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if seconds < _HOUR:
        minutes = int(seconds / _MINUTE)
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, hours_each, unit in (
        (48, 1, "hours"),
        (24 * 14, 24, "days"),
        (24 * 60, 24 * 7, "weeks"),
        (24 * 730, 24 * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // hours_each} {unit}"
    return f"{int(seconds / _HOUR) // 24 // 365} years"


def moment(message: Message, field: str, full: bool) -> str:
    """Write when something happened: how long ago, or the point in time.

    Args:
        message: The message that holds the timestamp.
        field: Its name there; unset prints as a dash.
        full: Print the point in time.
    """
    if not message.HasField(field):
        return "-"
    time = seconds_of(getattr(message, field))
    if full:
        return datetime.fromtimestamp(int(time), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{span(datetime.now(timezone.utc).timestamp() - time)} ago"


def seconds_of(value: Timestamp | Duration) -> float:
    """Turn a timestamp (since 1970) or a duration into seconds."""
    return value.seconds + value.nanos / 1e9


def exact(seconds: float) -> str:
    """Write a length of time exactly, with units: 1h5m0.25s."""
    if 0 < abs(seconds) < 1:
        return f"{seconds * 1000:.10g}ms"
    hours, rest = divmod(seconds, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    text = f"{rest:.10g}s"
    if hours or minutes:
        text = f"{int(minutes)}m{text}"
    return f"{int(hours)}h{text}" if hours else text


def paint(text: str, color: str) -> str:
    """Colour a text, if whoever reads it can see and wants colours.

    Args:
        text: What to print.
        color: red, yellow, green, blue, magenta, cyan or dim.
    """
    return f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if _colors_wanted() else text


def _colors_wanted() -> bool:
    context = click.get_current_context(silent=True)
    if context is not None and context.color is False:
        return False
    return (
        not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()
    )


def progress_bar(done: int, open_: int, failed: int, width: int = 8) -> str:
    """Draw shares as coloured blocks; the last one is red as soon as anything has failed."""
    total = done + open_ + failed
    bar = ""
    for cell in range(width):
        if failed and cell == width - 1:
            color = "red"
        elif cell * total < done * width:
            color = "green"
        elif cell * total < (done + open_) * width:
            color = "yellow"
        else:
            color = "red"
        bar += paint("▇", color) if total else " "
    return bar


def print_raw(messages: Iterable[Message], form: str) -> None:
    """Print messages as they are, with the names of the API.

    Args:
        messages: What to print, one after the other.
        form: json or yaml.
    """
    for message in messages:
        print_data(as_data(message), form)


def as_data(message: Message) -> Any:
    """Return a message as plain data, with the names of the API."""
    from google.protobuf import json_format

    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def print_data(data: Any, form: str) -> None:
    """Print plain data as a JSON text or a YAML document."""
    sys.stdout.write(data_text(data, form))


def data_text(data: Any, form: str) -> str:
    """Write plain data as a JSON text or a YAML document."""
    if form == "yaml":
        import yaml

        return "---\n" + yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def plain_json(message: Message) -> str:
    """Write a part of a message as JSON, with numbers as numbers."""
    return json.dumps(_with_numbers(message, as_data(message)), indent=2, ensure_ascii=False)


def _with_numbers(message: Message, data: Any) -> Any:
    # protojson writes 64-bit integers as text, for the sake of JavaScript.
    for field, value in message.ListFields():
        if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            data[field.name] = list(value) if isinstance(data[field.name], list) else value
        elif field.cpp_type == field.CPPTYPE_MESSAGE and isinstance(data[field.name], list):
            for part, part_data in zip(value, data[field.name], strict=True):
                _with_numbers(part, part_data)
        elif isinstance(value, Message) and isinstance(data[field.name], dict):
            _with_numbers(value, data[field.name])
    return data


def confirm(question: str) -> bool:
    """Ask on the terminal; anything but y or yes is a no, the end of the input too."""
    sys.stdout.flush()
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
