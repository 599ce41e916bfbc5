"""JSON and YAML that is no good, made of some that is: the same for the same seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

DEEP = 100_000
ANYTHING = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**63) - 1, 2**64, 10**30, 0.5, -1e308, 1e-320),
    *("", " ", "x", "\0", "a\nb", "\x1b[31m", "\u202e", "é" * 1000, "../..", "/", "1e400", "NaN"),
    *("9" * 5000, "x" * 100_000, "-", "=", "null"),
    *([], {}, [[]], [{}], {"": ""}, {"a": {"a": {}}}, [None], [1, "a", []], {"value": 1}),
)


def fixed(valid: Any) -> Iterator[tuple[str, bytes]]:
    """Yield texts that nobody may take, by what is wrong with them."""
    text = json.dumps(valid)
    field = json.dumps(next(iter(valid)))
    yield "lists in lists", b"[" * DEEP + b"]" * DEEP
    yield "objects in objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP
    yield "lists that don't end", b"[" * DEEP
    yield "a deep field", f"{{{field}:{'[' * DEEP}{']' * DEEP}}}".encode()
    yield "101 levels", f"{{{field}:{'[' * 101}{']' * 101}}}".encode()
    yield "half a character", f'{{{field}: "\\ud800"}}'.encode()
    yield "half a character as a name", b'{"\\udfff": 1}'
    yield "half a character, raw", b'{"a": "\xed\xa0\x80"}'
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "-" + "1" * 41):
        yield f"the number {number[:9]}", f'{text[:-1]}, "zz": {number}}}'.encode()
        yield f"a field that is {number[:9]}", f"{{{field}: {number}}}".encode()
    yield "a name twice", f'{text[:-1]}, {field}: "x"}}'.encode()
    yield "a name twice, inside", f'{text[:-1]}, "zz": {{"a": 1, "a": 2}}}}'.encode()
    yield "UTF-16", text.encode("utf-16")
    yield "UTF-32", text.encode("utf-32")
    yield "not UTF-8", text.encode()[:-1] + b', "\xff": 1}'
    yield "zeros", b"\0" * 1000
    yield "a zero behind it", text.encode() + b"\0"
    yield "a zero in a name", f'{text[:-1]}, "a\0b": 1}}'.encode()
    yield "noise", random.Random(1).randbytes(5000)  # noqa: S311 - no secret
    yield "a half", text.encode()[: len(text) // 2]
    yield "more behind it", text.encode() + b"]"
    yield "a number", b"5"
    yield "a text", b'"text"'
    yield "too many values", b"[" + b"1," * 3_000_000 + b"1]"
    yield "too many lists", b"[" + b"[]," * 3_000_000 + b"[]]"
    yield "too many objects", b"[" + b'{"a":{}},' * 1_500_000 + b"{}]"
    yield "one large text", b'{"a": "' + b"x" * 70_000_000 + b'"}'
    yield "one large name", b'{"' + b"x" * 70_000_000 + b'": 1}'
    yield "blanks", b" " * 70_000_000 + b"x"


def yaml() -> Iterator[tuple[str, bytes]]:
    """Yield documents that nobody may take."""
    laughs = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    yield "aliases of aliases", laughs.encode()
    merged = "a0: &a0 {x0: 1, y0: 2}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], x{n}: 1}}\n" for n in range(1, 12)
    )
    yield "merges of merges", merged.encode()
    yield "a list that holds itself", b"pipeline: &a [*a]\n"
    yield "an object that holds itself", b"pipeline: &a {name: *a}\n"
    yield "a deep one", b"a: " + b"[" * DEEP
    yield "a deep one of lines", b"".join(b" " * n + b"a:\n" for n in range(1000))
    yield "blocks in blocks", b"- " * 50_000 + b"x"
    yield "a name twice", b"pipeline: {name: p}\npipeline: {name: q}\n"
    for value in (
        *(".nan", ".inf", "-.inf", "!!binary aGk=", "!!timestamp 2001-01-01", "!!set {a, b}"),
        *("!!omap [a: 1]", "!!python/object:os.system x", "!!int x", "!!float x", "!x y", "!!bool"),
        *("9" * 5000, "0x" + "f" * 5000, "1:" * 3000 + "1", '"\\ud800"', "*nobody", "? [a]\n  : b"),
    ):
        yield f"the value {value[:30]}", f"pipeline: {{name: p}}\ndescription: {value}\n".encode()
    yield "a key that is not text", b"pipeline: {name: p}\n1: 2\n"
    yield "a key that is a list", b"pipeline: {name: p}\n[1]: 2\n"
    yield "a tab", b"pipeline:\n\tname: p\n"
    yield "a control character", b"pipeline: {name: \x07}\n"
    yield "a large one", b"a: b\n" * 1_000_000
    yield "many anchors", b"".join(b"- &a%d x\n" % n for n in range(100_000))


def changed(valid: Any, rng: random.Random) -> bytes:
    """Return a text with something else in some places."""
    value = copy.deepcopy(valid)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        parent, key = rng.choice(list(_places(value)))
        what = rng.randrange(4)
        if what == 0 and isinstance(parent, dict):
            del parent[key]
            if not value:
                break
        elif what == 1 and isinstance(parent, dict):
            parent[rng.choice(("", "zz", "a" * 1000, "é", "\0", "$schema", str(key).upper()))] = (
                parent.pop(key)
            )
        else:
            parent[key] = copy.deepcopy(rng.choice(ANYTHING))
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice('{}[],:"\\\0x') + text[at + 1 :]
    return text.encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])
