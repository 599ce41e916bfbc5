from __future__ import annotations

from pathlib import Path

import pytest

from pachlocal.errors import InvalidArgumentError
from pachlocal.runtime.folders import WorkerFolder, prepare_scratch, remove_tree
from pachlocal.runtime.rewrite import is_plain


def test_what_a_dead_daemon_left_is_removed(tmp_path: Path) -> None:
    scratch = tmp_path / "deep" / "scratch"
    prepare_scratch(scratch)
    folder = WorkerFolder(scratch, "w")
    (folder.pfs / "x").write_text("x")
    odd = scratch / "odd name"
    odd.mkdir()
    links = Path(folder.plain_path(odd)).parent
    assert links.exists()

    prepare_scratch(scratch)

    assert not (scratch / "w").exists()
    assert not links.exists()
    WorkerFolder(scratch, "w").remove()


def test_a_folder_in_other_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InvalidArgumentError, match="holds other things"):
        prepare_scratch(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0"])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="worker name"):
        WorkerFolder(tmp_path, name)


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    WorkerFolder(tmp_path, "w")
    with pytest.raises(FileExistsError):
        WorkerFolder(tmp_path, "w")


@pytest.mark.parametrize("name", ["plain", "two words"])
def test_every_path_has_a_plain_twin(tmp_path: Path, name: str) -> None:
    base = tmp_path / "Application Support"
    base.mkdir()
    folder = WorkerFolder(base, "w")
    target = base / name
    target.mkdir()
    twins = [Path(folder.plain_path(path)) for path in (target, folder.pfs)]
    assert all(map(is_plain, twins))
    assert [twin.resolve() for twin in twins] == [target.resolve(), folder.pfs.resolve()]
    assert not twins[1].is_symlink()
    folder.remove()
    assert target.exists()
    assert not any(twin.exists() for twin in twins)
    assert not twins[0].parent.exists()


def test_write_protected_folders_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o555)
    tree = tmp_path / "tree"
    inner = tree / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "x").write_text("x")
    (inner / "link").symlink_to(outside)
    for protected in (inner, tree / "a", tree):
        protected.chmod(0o000)
    remove_tree(tree)
    assert not tree.exists()
    assert outside.stat().st_mode & 0o777 == 0o555
    remove_tree(tree)
