"""Boundary values of every type of field.

A string of protobuf can't hold what isn't UTF-8, so SURROGATE and BROKEN stand for such bytes; they
are put in their place once a message is bytes.
"""

from __future__ import annotations

import math
from random import Random

from google.protobuf.descriptor import FieldDescriptor

SURROGATE, BROKEN = "\ue000", "\ue001"
_RAW = {SURROGATE: b"\xed\xa0\x80", BROKEN: b"\xff\xfe\xfd"}

_MANY_DIGITS = "9" * 5_000
_NAMES = [
    "",
    " ",
    ".",
    "..",
    "-",
    "_",
    "--help",
    "^",
    "~",
    "a b",
    "a/b",
    "a@b",
    "a.b",
    "a\0b",
    "\0",
    "a\nb",
    "\r\n",
    "\x1b[31mred",
    "\x7f",
    "é",
    "日本語",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "\N{LINE SEPARATOR}",
    "\U0001f600",
    "٣",
    "²",
    SURROGATE,
    f"a{BROKEN}b",
    "a" * 51,
    "a" * 10_000,
    "é" * 5_000,
    "%s%n{}{0}{x!r}",
    "'; DROP TABLE repos; --",
    '"',
    "\\",
    "None",
    "default",
    "__filesets__",
    "0" * 32,
    "f" * 12 + "4" + "f" * 19,
    "G" * 32,
]
_ANCESTRY = [
    "master^",
    "master^^^^^^^^",
    "master^0",
    "master^-1",
    "master^99999",
    f"master^{_MANY_DIGITS}",
    f"master~{_MANY_DIGITS}",
    f"master.{_MANY_DIGITS}",
    "master.0",
    "master.-1",
    "master^99999999999999999999",
    "master" + "^" * 5_000,
    "master" + "^1" * 3_000,
    "^1",
    ".1",
    "master^٣",
    "master.1.1",
    "master~1.2^",
]
_PATHS = [
    "/",
    "//",
    "/.",
    "/..",
    "/../../etc/passwd",
    "a",
    "/a/",
    "/a//b",
    "/dir",
    "/dir/",
    "/dir/a",
    "/dir/a/b",
    "/a\0b",
    "/a\nb",
    "/é",
    "/" * 5_000,
    "/x" * 199,
    "/x" * 300,
    "/" + "y" * 300,
    "/" + "y" * 5_000,
    "/*",
    "/[",
]
_GLOBS = [
    "*",
    "**",
    "/**/*",
    "/(*)",
    "/(*)(*)(*)",
    "/[",
    "/[!",
    "/[]",
    "/[z-a]",
    "/[[:alpha:]]",
    "/[[:nothing:]]",
    "/{a,b",
    "/{a,{b,{c,d}}}",
    "/(",
    "/)",
    "/!(a)",
    "/!(!(!(a)))",
    "/@(a|b",
    "/\\",
    "?",
    "/" + "(" * 3_000,
    "/" + "{" * 3_000,
    "/" + "(" * 500 + "a" + ")" * 500,
    "/" + "!(" * 50 + "a" + ")" * 50,
    "/" + "[" * 3_000,
    "/" + "?" * 3_000,
    "/" + "{a,b}" * 200,
    "$0",
    "$1",
    "$2",
    "${99}",
    f"${_MANY_DIGITS}",
    "${",
    "$$",
]
_JSON = [
    "{",
    "[]",
    "{}",
    "null",
    "true",
    '"text"',
    "NaN",
    "-Infinity",
    "1e999",
    _MANY_DIGITS,
    f'{{"datum_tries": {_MANY_DIGITS}}}',
    "[" * 100_000,
    '{"a":' * 50_000,
    '{"input": ' * 500 + "{}" + "}" * 500,
    '{"input": {"cross": [' * 40 + "]}}" * 40,
    '{"pipeline": {"name": "\\ud800"}}',
    '{"description": "\\u0000"}',
    '{"a": 1, "a": 2}',
    '{"a": 1} {"b": 2}',
    '{"pipeline": []}',
    '{"pipeline": null, "transform": null, "input": null}',
    '{"transform": {"cmd": "sh"}}',
    '{"update": "yes"}',
    '{"parallelism_spec": {"constant": -1}}',
    '{"parallelism_spec": {"constant": 1.5}}',
    '{"datum_timeout": "1e400s"}',
    '{"datum_timeout": "99999999999999999999s"}',
    '{"metadata": {"name": "x"}, "data": {"k": "é"}}',
    '{"metadata": {"name": "x"}, "stringData": {"k": "\\udfff"}}',
    '{"metadata": {"name": "y"}, "type": "\\ud800"}',
    '{"metadata": {"name": "z"}, "type": {"a": []}}',
    '{"kind": "Secret", "metadata": {"name": 5}}',
    '{"metadata": {"name": "w"}, "data": []}',
    "\ufeff{}",
]
_AMOUNTS = [
    "1s",
    "-1h",
    "1e9999",
    "@every 1h",
    "@every -1s",
    f"@every {_MANY_DIGITS}h",
    "@every 1e5s",
    "@every 99999999999999999h",
    "@hourly",
    "@reboot",
    "@",
    "@yearly 1",
    "* * * * *",
    "* * * * * *",
    "0 0 30 2 *",
    "0 0 31 2,4,6 *",
    "0 0 29 2 1",
    "60 25 32 13 7",
    "*/0 * * * *",
    f"*/{_MANY_DIGITS} * * * *",
    "٣ * * * *",
    "1-0 * * * *",
    "TZ=../../etc/passwd 0 0 * * *",
    "TZ=\0 0 0 * * *",
    "TZ= 0 0 * * *",
    f"TZ={'a' * 5_000} 0 0 * * *",
    "CRON_TZ=UTC 0 0 * * *",
    "100MB",
    "-1MB",
    f"{_MANY_DIGITS}EB",
    "99999999999999999999999EB",
    "1..5K",
    "1e99",
    "9e99Ei",
    "512Mi",
    "1.5G",
    "0",
    "0.000000001n",
    _MANY_DIGITS,
    "every_job",
    "until_success",
    "2024-02-30T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59Z",
]
_URLS = [
    "file:///etc/passwd",
    "file://[::1",
    "file:///\0",
    "file:relative",
    "http://",
    "http:///",
    "http://[",
    "http://[::1]:99999/",
    "http://127.0.0.1:1/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:port/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:1/\r\nHost: x",
    "http://127.0.0.1:1/é",
    "http://127.0.0.1:1/%zz%00",
    "http://é:1@127.0.0.1:1/",
    "http://\0/",
    "http://" + "." * 100 + "/",
    "http://" + "a" * 100 + ".invalid/",
    "HTTPS://127.0.0.1:1/",
    "s3://bucket/key",
    "descriptor:",
    "descriptor:0123456789abcdef-0",
    "//x",
    ":",
]
_FILTERS = [
    ".state",
    '.state == "JOB_SUCCESS"',
    '.state == "NOTHING"',
    '.state == "JOB_SUCCESS" or ',
    " or " * 2_000,
    'select(.state == "PIPELINE_RUNNING")',
    "." * 5_000,
]
_LONG = ["b" * 1_000_000, "\n" * 100_000, "/z" * 100_000]

_STRINGS = (_NAMES, _ANCESTRY, _PATHS, _GLOBS, _JSON, _AMOUNTS, _URLS, _FILTERS)

_SIGNED_32 = [0, 1, -1, 2, 65_535, 65_536, 1_000_000, 2**31 - 1, -(2**31)]
_SIGNED_64 = [*_SIGNED_32, 2**31, 10**12, 253_402_300_800, -62_135_596_801, 2**63 - 1, -(2**63)]
_UNSIGNED_32 = [0, 1, 2, 100_000, 2**31, 2**32 - 1]
_UNSIGNED_64 = [*_UNSIGNED_32, 2**63 - 1, 2**63, 2**64 - 1]
_FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e30, 1e-30, math.inf, -math.inf, math.nan]
_ENUMS = [-1, 4, 5, 99, 2**31 - 1, -(2**31)]
_BYTES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\x80" * 1000,
    b"{}",
    b"[" * 100_000,
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"\x1f\x8b\x08",
    b"x" * 1_000_000,
]


def string(random: Random) -> str:
    """Returns an odd text."""
    if random.random() < 0.01:
        return random.choice(_LONG)
    text = random.choice(random.choice(_STRINGS))
    return text + random.choice(["\0", "\n", "é", BROKEN, "^"]) if random.random() < 0.05 else text


def data(random: Random) -> bytes:
    """Returns odd bytes."""
    if random.random() < 0.5:
        return encoded(random.choice(_JSON))
    return random.choice(_BYTES) if random.random() < 0.8 else random.randbytes(100)


def scalar(field: FieldDescriptor, random: Random) -> object:
    """Returns an odd value for a field that holds no message."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return data(random) if field.type == FieldDescriptor.TYPE_BYTES else string(random)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice([*_ENUMS, *(value.number for value in field.enum_type.values)])
    choices: dict[int, list[object]] = {
        FieldDescriptor.CPPTYPE_INT32: [*_SIGNED_32],
        FieldDescriptor.CPPTYPE_INT64: [*_SIGNED_64],
        FieldDescriptor.CPPTYPE_UINT32: [*_UNSIGNED_32],
        FieldDescriptor.CPPTYPE_UINT64: [*_UNSIGNED_64],
        FieldDescriptor.CPPTYPE_FLOAT: [*_FLOATS],
        FieldDescriptor.CPPTYPE_DOUBLE: [*_FLOATS, 1e308],
        FieldDescriptor.CPPTYPE_BOOL: [False, True],
    }
    return random.choice(choices[kind])


def raw(message: bytes) -> bytes:
    """Returns a message with the bytes that no string can hold."""
    for stand_in, wanted in _RAW.items():
        message = message.replace(stand_in.encode(), wanted)  # as long as before
    return message


def spoiled(message: bytes, random: Random) -> bytes:
    """Returns what is hardly a message any more."""
    how = random.randrange(5)
    if how == 0:
        return random.randbytes(random.choice([1, 10, 1000]))
    if how == 1 and message:
        return message[: random.randrange(len(message))]
    if how == 2:
        return message + b"\xfa\x7f\x05hello"  # a field that nobody knows
    if how == 3 and message:
        where = random.randrange(len(message))
        return message[:where] + random.randbytes(1) + message[where + 1 :]
    return message + b"\x0a\xff\xff\xff\xff\x0f"


def encoded(text: str) -> bytes:
    """Returns a text as bytes, with those that no string can hold."""
    return raw(text.encode())
