from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pps_world import pfs_input, repo

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError
from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import BranchName, CommitName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pps.spec import datums
from pachlocal.pps.spec.datums import Datum, datum_hash, datum_id, enumerate_datums
from pachlocal.pps.spec.inputs import MAX_INPUTS, complete_input, parse_input


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    yield files
    files.close()


class Reads:
    """Objects of a store that count how often they are read."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self.count = 0

    def get(self, name: bytes) -> bytes:
        self.count += 1
        return self._files.objects.get(name)


def commit_of(files: FileSystem, name: str, content: Mapping[str, bytes]) -> CommitInfo:
    with files.transaction() as tx:
        repos.create_repo(tx, repo(name), update=True)
    with files.modify(CommitName(repo(name), "master")) as change:
        change.delete("/")
        for path, data in content.items():
            change.add(path, data)
    with files.snapshot() as connection:
        return resolve.resolve(connection, CommitName(repo(name), "master"))


class Repos:
    """The commits that datums are made of.

    Attributes:
        check: What a search for datums asks whether to go on.
    """

    check: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, files: FileSystem, **contents: Mapping[str, bytes] | list[str]) -> None:
        self.files = files
        self.objects = Reads(files)
        self.commits = {
            BranchName(repo(name), "master"): commit_of(
                files,
                name,
                content if isinstance(content, Mapping) else dict.fromkeys(content, b""),
            )
            for name, content in contents.items()
        }

    def datums(self, input_: dict[str, Any]) -> Iterator[Datum]:
        wanted = parse_input(complete_input(input_))
        return enumerate_datums(self.objects, self.commits, wanted, self.check)

    def paths(self, input_: dict[str, Any]) -> list[list[str]]:
        """Return each datum as its files, `repo:path`."""
        return [
            [f"{file.input.name}:{file.path}" for file in datum] for datum in self.datums(input_)
        ]


def test_each_match_of_a_glob_is_a_datum(files: FileSystem) -> None:
    data = Repos(files, data=["/a", "/b/x", "/b/y", "/c.csv"])
    assert data.paths(pfs_input("data")) == [["data:/a"], ["data:/b/"], ["data:/c.csv"]]
    assert data.paths(pfs_input("data", "/")) == [["data:/"]]
    assert data.paths(pfs_input("data", "/*/*")) == [["data:/b/x"], ["data:/b/y"]]
    assert data.paths(pfs_input("data", "/none")) == []


def test_a_branch_without_files_or_commit_has_no_datum(files: FileSystem) -> None:
    data = Repos(files, data=[])
    assert data.paths(pfs_input("data", "/")) == []
    assert data.paths(pfs_input("unknown", "/")) == []
    assert data.paths({"cross": [pfs_input("data"), pfs_input("unknown")]}) == []


def test_a_cross_combines_all_with_all_the_last_input_fastest(files: FileSystem) -> None:
    data = Repos(files, a=["/1", "/2"], b=["/x", "/y"], c=["/m"])
    cross = {"cross": [pfs_input("a"), pfs_input("b"), pfs_input("c", "/")]}
    expected = [[f"a:/{first}", f"b:/{second}", "c:/"] for first, second in product("12", "xy")]
    assert data.paths(cross) == expected


def test_a_union_gives_one_input_after_the_other(files: FileSystem) -> None:
    data = Repos(files, a=["/2", "/1"], b=["/x"])
    union = {"union": [pfs_input("b"), pfs_input("a")]}
    assert data.paths(union) == [["b:/x"], ["a:/1"], ["a:/2"]]


def test_inputs_nest(files: FileSystem) -> None:
    data = Repos(files, a=["/1", "/2"], b=["/x"], m=["/m"])
    nested = {"cross": [{"union": [pfs_input("a"), pfs_input("b")]}, pfs_input("m")]}
    assert data.paths(nested) == [["a:/1", "m:/m"], ["a:/2", "m:/m"], ["b:/x", "m:/m"]]


def joined(*, outer: str = "") -> dict[str, Any]:
    return {
        "join": [
            pfs_input("a", "/(*)-*", join_on="$1", outer_join="a" in outer),
            pfs_input("b", "/(*).csv", join_on="$1", outer_join="b" in outer),
        ]
    }


def test_a_join_combines_what_has_the_same_key(files: FileSystem) -> None:
    data = Repos(files, a=["/1-x", "/1-y", "/2-x", "/3-x"], b=["/1.csv", "/3.csv", "/4.csv"])
    inner = [["a:/1-x", "b:/1.csv"], ["a:/1-y", "b:/1.csv"], ["a:/3-x", "b:/3.csv"]]
    assert data.paths(joined()) == inner
    assert data.paths(joined(outer="a")) == [*inner[:2], ["a:/2-x"], inner[2]]
    assert data.paths(joined(outer="b")) == [*inner, ["b:/4.csv"]]
    assert len(data.paths(joined(outer="ab"))) == 5
    (first, *_) = data.datums(joined())
    assert [file.join_key for file in first] == ["1", "1"]


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    left=st.sets(st.sampled_from("abcd")),
    right=st.sets(st.sampled_from("abcd")),
    outer=st.booleans(),
)
def test_a_join_of_unique_keys_is_an_intersection_and_an_outer_one_keeps_its_side(
    files: FileSystem, left: set[str], right: set[str], outer: bool
) -> None:
    data = Repos(files, a=[f"/{key}-" for key in left], b=[f"/{key}.csv" for key in right])
    found = data.paths(joined(outer="a" if outer else ""))
    expected = [
        [f"a:/{key}-", f"b:/{key}.csv"] if key in right else [f"a:/{key}-"]
        for key in sorted(left)
        if key in right or outer
    ]
    assert found == expected


def test_a_group_is_one_datum_a_key(files: FileSystem) -> None:
    data = Repos(files, a=["/1-x", "/1-y", "/2-x"], b=["/1.csv", "/3.csv"])
    group = {
        "group": [
            pfs_input("a", "/(*)-*", group_by="$1"),
            pfs_input("b", "/(*).csv", group_by="$1"),
        ]
    }
    assert data.paths(group) == [["a:/1-x", "a:/1-y", "b:/1.csv"], ["a:/2-x"], ["b:/3.csv"]]
    assert {file.group_key for file in next(data.datums(group))} == {"1"}


def test_a_key_that_the_glob_does_not_capture_is_refused(files: FileSystem) -> None:
    data = Repos(files, a=["/1"], b=["/1"])
    join = {"join": [pfs_input("a", "/*", join_on="$1"), pfs_input("b", "/(*)", join_on="$1")]}
    with pytest.raises(InvalidArgumentError, match="capture group 1"):
        list(data.datums(join))


def test_a_cross_of_a_hundred_million_datums_begins_at_once(files: FileSystem) -> None:
    folder = [f"/{number:04}" for number in range(100)]
    data = Repos(files, a=folder, b=folder, c=folder, d=folder)
    cross = {"cross": [pfs_input(name) for name in "abcd"]}
    first = next(data.datums(cross))
    assert [file.path for file in first] == ["/0000"] * 4
    assert data.objects.count < 100


def test_a_cross_of_a_thousand_inputs_has_its_datum(files: FileSystem) -> None:
    data = Repos(files, a=["/1"])
    (datum,) = data.datums({"cross": [pfs_input("a", name=f"a{n}") for n in range(MAX_INPUTS)]})
    assert len(datum) == MAX_INPUTS


@pytest.mark.timeout(30)
def test_a_cross_with_an_empty_input_goes_through_none_of_the_others(files: FileSystem) -> None:
    folder = [f"/{number:04}" for number in range(1200)]  # more than are held in memory
    data = Repos(files, a=folder, b=folder, c=folder, none=["/x"])
    cross = [*(pfs_input(name) for name in "abc"), pfs_input("none", "/y")]
    assert list(data.datums({"cross": cross})) == []


def test_a_cross_finds_many_datums_again_and_holds_few(files: FileSystem) -> None:
    folder = [f"/{number:04}" for number in range(1200)]
    data = Repos(files, few=["/1", "/2"], many=folder, other=["/3"])
    cross = {"cross": [pfs_input("few"), pfs_input("many"), pfs_input("other")]}
    expected = [[f"few:/{n}", f"many:{path}", "other:/3"] for n in "12" for path in folder]
    assert data.paths(cross) == expected


@pytest.mark.timeout(30)  # for one of 62,500,000,000
def test_a_join_of_many_of_the_same_key_begins_at_once(files: FileSystem) -> None:
    folder = [f"/1-{number:04}" for number in range(500)]
    data = Repos(files, a=folder, b=folder, c=folder, d=folder)
    sides = [pfs_input(name, "/(*)-*", join_on="$1") for name in "abcd"]
    first = next(data.datums({"join": sides}))
    assert [file.path for file in first] == ["/1-0000"] * 4


@pytest.mark.parametrize("kind", ["join", "group"])
def test_a_join_that_does_not_fit_into_memory_is_refused(
    files: FileSystem, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datums, "_MOST_HELD", 500)
    folder = [f"/{number}" for number in range(20)]
    data = Repos(files, a=folder, b=folder, c=folder)
    arms = [{"cross": [pfs_input("a"), pfs_input("b")]}, pfs_input("c")]
    with pytest.raises(FailedPreconditionError, match="more than 500 files"):
        next(data.datums({kind: arms}))


class EnoughError(Exception):
    """Somebody wants a search to end."""


@pytest.mark.parametrize(
    "input_",
    [
        pfs_input("a", "/*x"),
        {"cross": [pfs_input("a"), pfs_input("a", "/*x", name="b")]},
        {"join": [{"cross": [pfs_input("few", name="b"), pfs_input("few")]}, pfs_input("a", "/x")]},
    ],
    ids=["a glob", "a cross", "a join of a cross in memory"],
)
def test_a_search_that_finds_nothing_can_be_broken_off(
    files: FileSystem, input_: dict[str, Any]
) -> None:
    many, few = ([f"/{number:04}" for number in range(size)] for size in (3000, 100))
    data = Repos(files, a=many, few=few)
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks > 5:
            raise EnoughError

    data.check = check
    with pytest.raises(EnoughError):
        list(data.datums(input_))


def test_datums_of_a_large_folder_come_as_a_stream(files: FileSystem) -> None:
    data = Repos(files, data=[f"/{number:05}" for number in range(3000)])
    next(data.datums(pfs_input("data")))
    assert data.objects.count < 12


# --- what names a datum -----------------------------------------------------------------------


def named(
    files: FileSystem, content: bytes, *, salt: str = "s", **more: Any
) -> tuple[bytes, bytes]:
    data = Repos(files, data={"/a": content})
    (datum,) = data.datums(pfs_input("data", **more))
    return datum_id(datum), datum_hash(datum, salt)


def test_an_id_depends_on_names_and_a_hash_on_content_too(files: FileSystem) -> None:
    id_, hash_ = named(files, b"1")
    assert (len(id_), len(hash_)) == (32, 32)
    assert named(files, b"1") == (id_, hash_)  # another commit with the same content
    assert named(files, b"2")[0] == id_
    assert named(files, b"2")[1] != hash_
    assert named(files, b"1", salt="t")[0] == id_
    assert named(files, b"1", salt="t")[1] != hash_
    assert named(files, b"1", name="other")[0] != id_


def test_an_id_depends_on_the_path_and_not_on_the_glob(files: FileSystem) -> None:
    data = Repos(files, data=["/a", "/b"])
    first, second = data.datums(pfs_input("data"))
    (again,) = data.datums(pfs_input("data", "/a"))
    assert datum_id(first) != datum_id(second)
    assert datum_id(first) == datum_id(again)
    assert datum_hash(first, "s") == datum_hash(again, "s")


def test_a_folders_hash_changes_with_a_file_deep_below(files: FileSystem) -> None:
    hashes = set()
    for content in ({"/d/e/f": b"1"}, {"/d/e/f": b"2"}, {"/d/e/g": b"1"}):
        data = Repos(files, data=content)
        (datum,) = data.datums(pfs_input("data"))
        hashes.add(datum_hash(datum, ""))
    assert len(hashes) == 3


def test_every_datum_of_a_cross_has_an_id_of_its_own(files: FileSystem) -> None:
    folder = [f"/{number}" for number in range(12)]
    data = Repos(files, a=folder, b=folder)
    datums = list(data.datums({"cross": [pfs_input("a"), pfs_input("b")]}))
    assert len({datum_id(datum) for datum in datums}) == 144
