"""Nobody else reads a store, nor reaches the sockets of its daemon."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from walkthrough.machine import Daemon

from .stranger import stranger


def open_to_others(*paths: Path) -> list[str]:
    return [path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_store_is_its_owners_alone(daemon: Daemon) -> None:
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/large", stdin="x" * 500_000)
    chunks = list(daemon.root.glob("chunks/*/*"))
    assert chunks
    assert open_to_others(daemon.root, *daemon.root.iterdir(), *chunks) == []


def test_an_older_store_is_closed_at_the_next_start(daemon: Daemon) -> None:
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/large", stdin="x" * 500_000)
    daemon.stop()
    for path in (daemon.root, *daemon.root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    mine = daemon.root / "notes.sh"  # somebody's own, which is no business of ours
    mine.touch(mode=0o755)
    daemon.start()
    assert open_to_others(daemon.root, *daemon.root.iterdir()) == ["notes.sh"]
    assert stat.S_IMODE(mine.stat().st_mode) == 0o755


def test_no_other_user_reaches_a_socket(daemon: Daemon) -> None:
    sockets: set[str] = set()
    for _ in range(5):  # one look may miss some: the kernel tells the list in pieces
        sockets |= set(unix_sockets(daemon.note["pid"]))
    assert str(daemon.note["socket"]) in sockets
    assert len(sockets) == 2  # and that for files that are handed over
    for path in sockets:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        assert stranger("connect", path) == "PermissionError"


def unix_sockets(pid: int) -> Iterator[str]:
    """The paths that a process listens on."""
    own = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is closed by now
            own.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        *_, flags, _, _, inode, path = line.split(maxsplit=7) if line.count("/") else [""] * 5
        if inode in own and flags == "00010000":
            yield path
