"""What a datum finds in `/pfs`: its own files, whatever the one before has done there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pps_world import Run, World, copy, make_spec, pfs_input


def leave_files(pfs: Path) -> None:
    for folder in ("data", "out", "."):
        (pfs / folder / "left").write_bytes(b"left")
        (pfs / folder / "link").symlink_to("/etc/hostname")
        os.mkfifo(pfs / folder / "pipe")


def leave_folders(pfs: Path) -> None:
    for folder in ("data", "out", "."):
        (pfs / folder / "left/below").mkdir(parents=True)
        (pfs / folder / "left/below/file").write_bytes(b"left")
        (pfs / folder / "left/below").chmod(0o500)


def protect(pfs: Path) -> None:
    for folder in ("data", "out"):
        (pfs / folder / "left").write_bytes(b"left")
        (pfs / folder).chmod(0o500)
    pfs.chmod(0o500)


def write_over(pfs: Path) -> None:
    for name in ("data/1", ".env"):
        (pfs / name).write_bytes(b"longer than it was" * 1000)


def write_in_secret(pfs: Path) -> None:
    """As a program does that puts the times back, like `touch -r`."""
    with keeping_times(pfs / "data"), keeping_times(pfs):
        (pfs / "data/left").write_bytes(b"left")
        (pfs / "left").write_bytes(b"left")
        with keeping_times(pfs / "data/1"):
            (pfs / "data/1").write_bytes(b"two")


@contextmanager
def keeping_times(place: Path) -> Iterator[None]:
    before = place.stat()
    yield
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def protect_files(pfs: Path) -> None:
    for name in ("data/1", ".env"):
        (pfs / name).chmod(0o400)


def link_elsewhere(pfs: Path) -> None:
    """Under another name a file has to stay as it is."""
    outside = pfs.parent.parent / "outside/data/1"
    outside.unlink(missing_ok=True)
    outside.parent.mkdir(parents=True, exist_ok=True)
    (pfs / "data/1").write_bytes(b"not mine")
    outside.hardlink_to(pfs / "data/1")
    (pfs / "out/linked").hardlink_to(pfs / ".env")


def remove(pfs: Path) -> None:
    (pfs / "data/1").unlink()
    for folder in ("data", "out"):
        (pfs / folder).rmdir()
    (pfs / ".env").unlink()


def replace_by_files(pfs: Path) -> None:
    remove(pfs)
    for name in ("data", "out"):
        (pfs / name).write_bytes(b"left")
    (pfs / ".env").mkdir()


def exchange(pfs: Path) -> None:
    (pfs / "out/left").write_bytes(b"left")
    (pfs / "data").rename(pfs / "kept")
    (pfs / "out").rename(pfs / "data")
    (pfs / "kept").rename(pfs / "out")


def replace_by_links(pfs: Path) -> None:
    outside = pfs.parent.parent / "outside"
    (outside / "data").mkdir(parents=True, exist_ok=True)
    (outside / "data/1").write_bytes(b"not mine")
    remove(pfs)
    (pfs / "data").symlink_to(outside / "data")
    (pfs / "out").symlink_to(outside / "data")
    (pfs / ".env").symlink_to(outside / "data/1")


def shown(pfs: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(pfs).as_posix(): (
            path.lstat().st_mode,
            path.read_text() if path.is_file() and path.name != ".env" else "",
        )
        for path in pfs.rglob("*")
    }


LAYOUTS = pytest.mark.parametrize(
    "reuses",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux alone reuses files"),
        ),
    ],
    ids=["plain", "reusing"],
    indirect=True,
)
"""Both layouts keep the same promises."""


@pytest.fixture
def reuses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pachlocal.pps.worker.layout._REUSES", request.param)


@LAYOUTS
@pytest.mark.usefixtures("reuses")
@pytest.mark.parametrize("glob", ["/*", "/"], ids=["files", "folder"])
@pytest.mark.parametrize(
    "leave",
    [
        leave_files,
        leave_folders,
        protect,
        write_over,
        write_in_secret,
        protect_files,
        link_elsewhere,
        remove,
        replace_by_files,
        exchange,
        replace_by_links,
    ],
)
def test_a_datum_finds_nothing_of_the_one_before(
    world: World, tmp_path: Path, leave: Callable[[Path], None], glob: str
) -> None:
    """Two tries leave something: in folders that are new, and in some that served several times."""
    found: list[dict[str, tuple[int, str]]] = []

    def look(run: Run) -> int:
        found.append(shown(run.pfs))
        if len(found) in (1, 5):
            leave(run.pfs)
        return len(found) < 6

    world.runtime.programs["look"] = look
    world.make_repos("data")
    world.put("data", {"/1": b"one"})
    world.create(make_spec("out", pfs_input("data", glob), cmd="look", datum_tries="6"))
    world.wait("out")
    first, *others = found
    assert set(first) == {".env", "data", "data/1", "out"}
    assert others == [first] * 5
    outside = tmp_path / "outside/data/1"
    assert not outside.exists() or outside.read_bytes() == b"not mine"


@LAYOUTS
@pytest.mark.usefixtures("reuses")
def test_an_input_of_another_datum_is_gone(world: World) -> None:
    found: list[set[str]] = []
    world.runtime.programs["look"] = lambda run: found.append(set(shown(run.pfs)))
    world.make_repos("one", "two")
    world.put("one", {"/1": b"1"})
    world.put("two", {"/2": b"2"})
    world.create(make_spec("out", {"union": [pfs_input("one"), pfs_input("two")]}, cmd="look"))
    world.succeed("out")
    assert found == [{".env", "one", "one/1", "out"}, {".env", "two", "two/2", "out"}]


@LAYOUTS
@pytest.mark.usefixtures("reuses")
def test_a_folder_of_another_datum_is_gone(world: World) -> None:
    found: list[set[str]] = []
    world.runtime.programs["look"] = lambda run: found.append(set(shown(run.pfs / "data")))
    world.make_repos("data")
    world.put("data", {"/a/1": b"1", "/b/2": b"2", "/c": b"3"})
    world.create(make_spec("out", pfs_input("data"), cmd="look"))
    world.succeed("out")
    assert found == [{"a", "a/1"}, {"b", "b/2"}, {"c"}]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are made anew elsewhere")
def test_folders_and_files_serve_again(world: World) -> None:
    """To make and remove them would take most of a small datum's time."""
    found: list[set[int]] = []

    def look(run: Run) -> None:
        (file,) = (run.pfs / "data").iterdir()
        places = (file, file.parent, run.pfs / "out", run.pfs / ".env")
        found.append({place.stat().st_ino for place in places})
        copy(run)
        (run.pfs / "occupied").mkdir(exist_ok=True)  # or a new folder may get the number

    world.runtime.programs["look"] = look
    world.make_repos("data")
    world.put("data", {"/1": b"1", "/2": b"2"})
    world.create(make_spec("out", pfs_input("data"), cmd="look"))
    world.succeed("out")
    assert found[0] == found[1]


@pytest.mark.skipif(sys.platform != "linux", reason="files are made anew elsewhere")
def test_what_all_datums_have_in_common_is_written_twice_at_the_most(world: World) -> None:
    """Nor is a folder looked through that nobody has changed."""
    found: list[tuple[int, int]] = []

    def look(run: Run) -> None:
        places = (run.pfs / "model", run.pfs / "model/1")
        changed, written = (place.stat().st_ctime_ns for place in places)
        found.append((changed, written))

    world.runtime.programs["look"] = look
    world.make_repos("data", "model")
    world.put("data", {f"/{name}": b"data" for name in "abcd"})
    world.put("model", {"/1": b"model"})
    inputs = {"cross": [pfs_input("data"), pfs_input("model", "/")]}
    world.create(make_spec("out", inputs, cmd="look"))
    world.succeed("out")
    assert len(set(found)) == 2
    assert found[1:] == [found[1]] * 3


@LAYOUTS
@pytest.mark.usefixtures("reuses")
def test_empty_files_have_the_names_alone(world: World) -> None:
    found: list[dict[str, int]] = []

    def look(run: Run) -> None:
        files = [path for path in (run.pfs / "data").rglob("*") if path.is_file()]
        found.append({path.name: path.stat().st_size for path in files})

    world.runtime.programs["look"] = look
    world.make_repos("data")
    world.put("data", {"/1": b"one", "/a/2": b"two", "/a/b/3": b"three"})
    world.create(make_spec("out", pfs_input("data", empty_files=True), cmd="look"))
    world.succeed("out")
    assert sorted(found, key=str) == [{"1": 0}, {"2": 0, "3": 0}]


@LAYOUTS
@pytest.mark.usefixtures("reuses")
def test_an_output_folder_that_is_a_link_out_is_refused(world: World) -> None:
    world.runtime.programs["replace"] = lambda run: replace_by_links(run.pfs)
    world.make_repos("data")
    world.put("data", {"/1": b"1"})
    world.create(make_spec("out", pfs_input("data"), cmd="replace"))
    assert "outside /pfs" in world.wait("out").reason
