import os
from pathlib import Path

import pytest

from pachlocal.cli.pachctl.pfs.sources import Item, check, expand, target_of
from pachlocal.errors import CliError


@pytest.mark.parametrize(
    ("source", "path", "flags", "target"),
    [
        ("data/iris.csv", None, "", "iris.csv"),
        ("./iris.csv", None, "", "iris.csv"),
        ("data/iris.csv", None, "full", "data/iris.csv"),
        ("/abs/iris.csv", None, "full", "/abs/iris.csv"),
        ("data/iris.csv", "/a/b.csv", "", "/a/b.csv"),
        ("data/iris.csv", "/a/", "", "/a/iris.csv"),
        ("data/iris.csv", "/a", "full", "/a"),
        ("data/iris.csv", "/a", "many", "/a/iris.csv"),
        ("data/iris.csv", None, "many", "iris.csv"),
        ("data/test", None, "r", "test"),
        ("data/test/", None, "r", "test"),
        ("data/test", "/", "r", "/"),
        ("data/test", "/x/", "r", "/x"),
        ("data/test", "/x", "r full", "/x/data/test"),
        (".", None, "r", "."),
        ("http://host/a/b.png?x=1", None, "", "b.png"),
        ("http://host/a/b.png", None, "full", "a/b.png"),
        ("-", "/a", "", "/a"),
    ],
)
def test_where_a_source_goes(source: str, path: str | None, flags: str, target: str) -> None:
    options = flags.split()
    assert target == target_of(
        source,
        path,
        recursive="r" in options,
        full_path="full" in options,
        alone="many" not in options,
    )


def test_standard_input_has_no_name() -> None:
    with pytest.raises(CliError, match="say where it goes"):
        target_of("-", None, recursive=False, full_path=False, alone=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.csv", "a/2.csv", "a/10.csv", "a/deep/x", "c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_a_directory_is_walked_in_order(tree: Path) -> None:
    items = list(expand(Item(str(tree), "/t")))

    assert [item.target for item in items] == [
        "/t/a/10.csv",
        "/t/a/2.csv",
        "/t/a/deep/x",
        "/t/b.csv",
        "/t/c",
    ]
    assert all(Path(item.source).is_file() for item in items)


def test_the_current_directory_goes_to_the_root(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)

    assert next(item.target for item in expand(Item(".", "."))) == "a/10.csv"


def test_links_to_files_are_followed(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "b.csv")

    check(str(tree), recursive=True)
    assert "/t/link" in [item.target for item in expand(Item(str(tree), "/t"))]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.symlink_to("nowhere"), "a link to what isn't there"),
        (lambda path: path.symlink_to("a"), "neither a file nor a directory"),
        (lambda path: os.mkfifo(path), "neither a file nor a directory"),
    ],
)
def test_what_cannot_be_put_is_told_before(tree: Path, make: object, problem: str) -> None:
    make(tree / "odd")  # type: ignore[operator]

    with pytest.raises(CliError, match=f"odd.*{problem}"):
        check(str(tree), recursive=True)


def test_directories_need_to_be_asked_for(tree: Path) -> None:
    with pytest.raises(CliError, match="is a directory: add -r"):
        check(str(tree), recursive=False)


def test_a_missing_file_is_named(tree: Path) -> None:
    for recursive in (False, True):
        with pytest.raises(CliError, match=r"nowhere\.csv: no such file"):
            check(str(tree / "nowhere.csv"), recursive=recursive)


def test_standard_input_and_addresses_need_no_file() -> None:
    check("-", recursive=False)
    check("https://host/x", recursive=False)
    with pytest.raises(CliError, match="omit -r"):
        check("-", recursive=True)
