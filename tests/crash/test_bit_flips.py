"""A bit that flips in the metadata is reported, unless it changes nothing that anybody sees."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from pachlocal.check import problems

FLIPS = 150
SPEC = {
    "pipeline": {"name": "shout"},
    "description": "flip this pipeline",
    "transform": {
        "image": "busybox:1",
        "cmd": ["sh", "-c", "echo flip this line; cp /pfs/*/* /pfs/out"],
    },
    "input": {"pfs": {"repo": "data", "glob": "/*"}},
}
NAMED = {
    b"flip this project": "project other",
    b"flip this repo": "repo default/data",
    b"flip this commit": "commit default/data@",
    b"flip-this-branch": "branch default/data@",
    b"flip this pipeline": "spec of pipeline default/shout, version 1",
    b"flip this line": "log line of pipeline default/shout",
    b"flip this datum": "datum ",
    b"flip-this-secret": "secret flip-this-secret",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store that has something in every table."""
    daemon = Daemon(tmp_path_factory.mktemp("flips") / "store")
    daemon.start()
    try:
        fill(daemon)
    finally:
        daemon.end()
    with closing(sqlite3.connect(daemon.root / "pach.db")) as database:
        database.execute("VACUUM")  # what was deleted may still be there, and count for nothing
    return daemon.root


def fill(daemon: Daemon) -> None:
    pachctl = daemon.pachctl
    pachctl("create", "project", "other", "--description", "flip this project")
    pachctl("create", "repo", "data", "--description", "flip this repo")
    pachctl("put", "file", "data@master:/1.csv", stdin="5.1,3.5,1.4,0.2\n")
    pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(SPEC))
    pachctl("start", "commit", "data@master", "--description", "flip this commit")
    pachctl("put", "file", "data@master:/flip this datum.csv", stdin="5.9,3.0,5.1,1.8\n")
    pachctl("finish", "commit", "data@master")
    pachctl("wait", "commit", "shout@master")
    pachctl("create", "branch", "data@flip-this-branch", "--head", "master")
    pachctl("create", "branch", "data@daily", "--trigger", "master", "--trigger-commits", "9")
    secret = {"kind": "Secret", "metadata": {"name": "flip-this-secret"}, "data": {"a": "YQ=="}}
    pachctl("create", "secret", "-f", "-", stdin=json.dumps(secret))
    pachctl("start", "transaction")
    pachctl("create", "repo", "later")
    pachctl("stop", "transaction")
    assert pachctl("fsck") == "No errors found.\n"


@pytest.fixture
def flipped(store: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Makes a copy of the store in which a bit is another one."""
    whole = (store / "pach.db").read_bytes()
    root = tmp_path / "store"

    def flip(bit: int) -> Path:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        (root / "pach.db").write_bytes(data)
        return root

    return flip


@pytest.mark.parametrize("text", NAMED, ids=bytes.decode)
def test_what_a_flipped_bit_concerns_is_named(
    store: Path, flipped: Callable[[int], Path], text: bytes
) -> None:
    places = [found.start() for found in re.finditer(text, (store / "pach.db").read_bytes())]
    assert places
    named = []
    for place in places:
        found = list(problems(flipped(8 * place + 1)))
        assert found
        named += [problem for problem in found if problem.startswith(NAMED[text])]
    assert any(problem.endswith("what pach.db says of it has changed") for problem in named)


@pytest.mark.slow
def test_no_flipped_bit_changes_anything_unnoticed(
    store: Path, flipped: Callable[[int], Path]
) -> None:
    chance = random.Random(20)  # noqa: S311 - not a secret
    right = rows(store)
    seen: Counter[str] = Counter()
    for _ in range(FLIPS):
        bit = chance.randrange(8 * (store / "pach.db").stat().st_size)
        root = flipped(bit)
        changed = rows(root) != right
        found = list(problems(root))
        assert found or not changed, f"bit {bit}"
        seen[("changed" if changed else "unchanged") + ", reported" * bool(found)] += 1
    print(seen)
    assert seen["changed, reported"] > FLIPS // 20
    assert seen["unchanged"] > FLIPS // 4  # where nothing is stored


def rows(root: Path) -> list[object] | None:
    """Returns all that the tables have and what they are; None if that can't be read."""
    found: list[object] = []
    with closing(sqlite3.connect(root / "pach.db")) as database:
        database.text_factory = bytes
        try:
            tables = list(database.execute("SELECT name, sql FROM sqlite_master WHERE sql <> ''"))
            found.append(sorted(tables))
            for name, sql in tables:
                if sql.startswith(b"CREATE TABLE") and not name.startswith(b"sqlite_"):
                    found.append(sorted(map(repr, columns(database, name.decode()))))
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return None
    return found


def columns(database: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    # An object's size and epoch are of no consequence, see test_storage_integrity.
    wanted = "hash, data" if table == "objects" else "rowid, *"
    try:
        yield from database.execute(f"SELECT {wanted} FROM {table} NOT INDEXED")
    except sqlite3.OperationalError as error:
        if "no such column: rowid" not in str(error):
            raise
        yield from database.execute(f"SELECT * FROM {table} NOT INDEXED")
