"""Whether a file or folder is as it was left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.pps import stamps


def write(place: Path) -> None:
    (place / "file").write_bytes(b"other")


def write_as_much(place: Path) -> None:
    with (place / "file").open("r+b") as file:
        file.write(b"FILE")


def write_and_put_times_back(place: Path) -> None:
    before = (place / "file").stat()
    write_as_much(place)
    os.utime(place / "file", ns=(before.st_atime_ns, before.st_mtime_ns))


def protect(place: Path) -> None:
    (place / "file").chmod(0o400)


def link(place: Path) -> None:
    (place / "other").hardlink_to(place / "file")


def replace(place: Path) -> None:
    (place / "new").write_bytes(b"file")
    (place / "new").replace(place / "file")


def replace_by_link(place: Path) -> None:
    (place / "file").rename(place / "other")
    (place / "file").symlink_to("other")


def remove(place: Path) -> None:
    (place / "file").unlink()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"file")
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        write,
        write_as_much,
        write_and_put_times_back,
        protect,
        link,
        replace,
        replace_by_link,
        remove,
    ],
)
def test_a_change_of_a_file_is_seen_at_once(place: Path, change: Callable[[Path], None]) -> None:
    file = str(place / "file")
    stamp = stamps.leave(file)
    assert stamp is not None
    (place / "file").read_bytes()
    assert stamps.is_as_left(file, stamp)
    change(place)
    assert not stamps.is_as_left(file, stamp)


@pytest.mark.parametrize("change", [link, replace, replace_by_link, remove])
def test_a_change_of_a_folder_is_seen_at_once(place: Path, change: Callable[[Path], None]) -> None:
    stamp = stamps.leave(str(place))
    assert stamps.is_as_left(str(place), stamp)
    change(place)
    assert not stamps.is_as_left(str(place), stamp)


def test_the_stamp_of_an_open_file_is_that_of_its_path(place: Path) -> None:
    with (place / "file").open() as file:
        stamp = stamps.leave(file.fileno())
    assert stamp is not None
    assert stamps.is_as_left(str(place / "file"), stamp)


def test_there_is_no_stamp_where_time_goes_in_steps(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on VFAT, or on ext3."""
    utime = os.utime

    def in_seconds(path: str, *, ns: tuple[int, int], follow_symlinks: bool) -> None:
        second = 1_000_000_000
        utime(path, ns=(ns[0], ns[1] // second * second), follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "utime", in_seconds)
    assert stamps.leave(str(place)) is None
    assert not stamps.is_as_left(str(place), None)


def test_there_is_no_stamp_for_what_is_not_there(place: Path) -> None:
    assert stamps.leave(str(place / "nothing")) is None
