"""Tar files that are no good: written by hand, since no library would."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator

BLOCK = 512
HUGE = 300 * 2**20
LARGE = 40 * 2**20
END = bytes(2 * BLOCK)


def header(
    name: bytes = b"pfs/in/a",
    size: int = 0,
    type_: bytes = b"0",
    *,
    link: bytes = b"",
    size_field: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """Return a block in the form of GNU tar, with a checksum that is right."""
    block = bytearray(BLOCK)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:124] = b"0000644\x000000000\x000000000\0"
    block[124:136] = (size_field or b"%011o" % size).ljust(12, b"\0")
    block[136:148] = b"00000000000\0"
    block[156:157] = type_
    block[157:257] = link[:100].ljust(100, b"\0")
    block[257:265] = b"ustar  \0"
    block[386 : 386 + len(tail)] = tail
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def entry(content: bytes = b"data", **parts: object) -> bytes:
    """Return a header and what follows it."""
    return header(size=len(content), **parts) + padded(content)  # type: ignore[arg-type]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def pax(*records: bytes, type_: bytes = b"x") -> bytes:
    """Return a pax header; a record is `name=value`."""
    lines = b""
    for record in records:
        size = len(record) + 3
        while len(b"%d %s\n" % (size, record)) != size:
            size += 1
        lines += b"%d %s\n" % (size, record)
    return entry(lines, name=b"x", type_=type_)


def large(type_: bytes, size: int, fill: bytes = b"a") -> Iterator[bytes]:
    """Yield a header with a very long name, or the like, and what it belongs to."""
    yield header(b"././@LongLink", size, type_)
    for _ in range(size // 2**20):
        yield fill * 2**20
    yield entry()


def fixed() -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield what may follow the manifest of a capsule and may not be taken, by what is wrong."""
    yield "a name of 300 MB", large(b"L", HUGE)
    yield "a name of 300 MB of zeros", large(b"L", HUGE, b"\0")
    for type_ in (b"K", b"x", b"g", b"X"):
        yield f"a header {type_!r} of 40 MB", large(type_, LARGE)
    for count in (50, 400, 5000):
        yield f"{count} long names", [entry(b"../a\0", name=b"L", type_=b"L") * count, entry()]
        yield f"{count} pax headers", [pax(b"path=../a") * count, entry()]
    for record in (
        *(b"size=-512", b"size=-1", b"size=%d" % 2**70, b"path=/etc/x", b"path=../x", b"path=pfs"),
        *(b"path=pfs/in/\0x", b"path=pfs/in/a\0", b"path=pfs/in/../../../x", b"path="),
        *(b"path=pfs/in/" + b"a/" * 5000 + b"a", b"path=pfs/in/" + b"a" * 5000),
        b"path=pfs/in/" + b"a/" * 300 + b"a",
    ):
        yield f"pax {record[:24]!r}", [pax(record), entry()]
    for map_ in (
        (b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.realsize=1000000"),
        (b"GNU.sparse.map=0,10,20,30", b"GNU.sparse.size=100"),
        (b"GNU.sparse.map=x", b"GNU.sparse.size=y"),
        (b"GNU.sparse.size=100", b"GNU.sparse.numblocks=1", b"GNU.sparse.offset=0"),
    ):
        yield f"sparse {map_[0]!r}", [pax(*map_), entry(b"9999999999\n" + b"1\n" * 5000)]
    many = b"4000000\n" + b"1\n" * 3_000_000
    yield "a large map", [pax(b"GNU.sparse.major=1", b"GNU.sparse.minor=0"), entry(many)]
    tail = b"00000000001\0" * 8 + b"\1" + b"00000001000\0"
    more = (b"00000000001\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    yield "sparse, of GNU", [header(type_=b"S", tail=tail), more * 2_000, bytes(BLOCK)]
    bad = entry(name=b"../a")  # for tarfile leaves out a line that it can't read
    for line in (b"999999999 path=x\n", b"0 path=x\n", b"-5 path=x\n", b"x\n", bytes(40), b"7 a=b"):
        yield f"pax line {line[:12]!r}", [entry(line, name=b"x", type_=b"x"), bad]
    yield "a charset", [pax(b"hdrcharset=BINARY", b"path=../\xff\xfe"), entry()]
    for type_ in b"12346DMNVZ":
        kind = bytes([type_])
        yield f"type {kind!r}", [header(type_=kind, link=b"../../../../etc/passwd")]
    for name in (
        *(b"/pfs/in/a", b"pfs/../../a", b"pfs/in/../../../a", b"elsewhere", b"pfs", b"pfs/out/a"),
        *(b"pfs/.env", b"pfs/.env/x", b"manifest.json", b"", b".", b"..", b"/", b"./pfs/../../x"),
        *(b"pfs/out", b"../pfs/in/a", b"\x1b[2J", b"pfs\\in", b"PFS/in/a", b"//pfs/in"),
    ):
        yield f"name {name!r}", [entry(name=name)]
    yield "the same twice", [entry(), entry()]
    yield "a folder in a file", [entry(), entry(name=b"pfs/in/a/b")]
    yield "a file over a folder", [entry(name=b"pfs/in/a/b"), entry()]
    for field in (b"\xff" * 12, b"\x80" + b"\xff" * 11, b"zzz", b"-0000000512", b"77777777777"):
        yield f"size {field!r}", [header(size_field=field), bytes(BLOCK)]
    yield "a bomb", _bomb()
    yield "a torn end", [header(size=5000), b"x" * 100]


def _bomb() -> Iterator[bytes]:
    yield header(size=0, size_field=b"%011o" % (2**31))
    for _ in range(64):
        yield bytes(2**20)


def compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a gzip file of bytes, piece by piece."""
    packer = zlib.compressobj(1, wbits=31)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """Return a tar with some bytes changed, and often a checksum that is right again."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 2, 10))):
        start = rng.randrange(0, len(data), BLOCK)
        at = start + rng.choice((*range(124, 136), 156, 157, 263, *range(0, 100, 7), 345, 482))
        if at < len(data):
            data[at] = rng.choice((0, 0x80, 0xFF, 0x20, *b"0123456789LKxgSD/.", rng.randrange(256)))
        block = data[start : start + BLOCK]
        if rng.random() < 0.8 and len(block) == BLOCK:
            block[148:156] = b" " * 8
            data[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def damaged_gzip(whole: bytes, rng: random.Random) -> bytes:
    """Return a gzip file of a tar with some bytes changed in it or around it."""
    if rng.random() < 0.8:
        return gzip.compress(damaged(whole, rng), 1)
    data = bytearray(gzip.compress(whole, 1))
    for _ in range(3):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.choice((len(data), rng.randrange(1, len(data))))])
