from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pachlocal.errors import InvalidArgumentError
from pachlocal.runtime import folders
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

    prepare_scratch(scratch).join()

    assert not links.exists()
    assert [entry.name for entry in scratch.iterdir()] == [".pachlocal-scratch"]


def test_nobody_waits_until_much_that_was_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_scratch(tmp_path)
    WorkerFolder(tmp_path, "w")
    going_on, remove = threading.Event(), folders._remove_worker

    def remove_later(base: Path) -> None:
        going_on.wait()
        remove(base)

    monkeypatch.setattr(folders, "_remove_worker", remove_later)
    removing = prepare_scratch(tmp_path)
    new = WorkerFolder(tmp_path, "w")  # the name is free
    going_on.set()
    removing.join()
    assert new.pfs.exists()
    assert len(list(tmp_path.iterdir())) == 2  # it, and the mark


def test_what_can_not_be_removed_is_tried_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_scratch(tmp_path)
    WorkerFolder(tmp_path, "w")

    def refuse(base: Path) -> None:
        raise PermissionError(1, "not yours", str(base))

    with monkeypatch.context() as patch:
        patch.setattr(folders, "_remove_worker", refuse)
        prepare_scratch(tmp_path).join()
    assert "not yours" in caplog.text
    prepare_scratch(tmp_path).join()
    assert [entry.name for entry in tmp_path.iterdir()] == [".pachlocal-scratch"]


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
