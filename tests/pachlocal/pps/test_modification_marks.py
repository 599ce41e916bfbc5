"""Whether a file or folder is as it was left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.pps.worker.layout import modification_marks


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
    mark = modification_marks.leave(file)
    assert mark is not None
    (place / "file").read_bytes()
    assert modification_marks.is_as_left(file, mark)
    change(place)
    assert not modification_marks.is_as_left(file, mark)


@pytest.mark.parametrize("change", [link, replace, replace_by_link, remove])
def test_a_change_of_a_folder_is_seen_at_once(place: Path, change: Callable[[Path], None]) -> None:
    mark = modification_marks.leave(str(place))
    assert modification_marks.is_as_left(str(place), mark)
    change(place)
    assert not modification_marks.is_as_left(str(place), mark)


def test_the_mark_of_an_open_file_is_that_of_its_path(place: Path) -> None:
    with (place / "file").open() as file:
        mark = modification_marks.leave(file.fileno())
    assert mark is not None
    assert modification_marks.is_as_left(str(place / "file"), mark)


def test_there_is_no_mark_where_time_goes_in_steps(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on VFAT, or on ext3."""
    utime = os.utime

    def in_seconds(path: str, *, ns: tuple[int, int], follow_symlinks: bool) -> None:
        second = 1_000_000_000
        utime(path, ns=(ns[0], ns[1] // second * second), follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "utime", in_seconds)
    assert modification_marks.leave(str(place)) is None
    assert not modification_marks.is_as_left(str(place), None)


def test_there_is_no_mark_for_what_is_not_there(place: Path) -> None:
    assert modification_marks.leave(str(place / "nothing")) is None
