"""Capsules come from anybody: what is unpacked of them, and what is refused."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pachlocal.capsule import unpack
from pachlocal.errors import InvalidArgumentError

MANIFEST: dict[str, Any] = {
    "format": "pachlocal-capsule",
    "version": 1,
    "datum": "d",
    "state": "FAILED",
    "reason": "",
    "job": {"project": "default", "pipeline": "p", "id": "j"},
    "image": "i",
    "cmd": ["true"],
    "stdin": [],
    "accept_return_code": [4],
    "working_dir": "",
    "datum_batching": False,
    "timeout_s": None,
    "env": {"A": "b"},
    "withheld": ["TOKEN"],
    "secrets": [{"name": "s", "env_var": "PASSWORD"}, {"name": "s", "mount_path": "/s"}],
}


def entry(name: str, type_: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


def make(path: Path, *entries: tarfile.TarInfo, manifest: Any = MANIFEST) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        first = entry("manifest.json")
        first.size = len(text)
        archive.addfile(first, io.BytesIO(text))
        for info in entries:
            info.size = 4 if info.isreg() else 0
            archive.addfile(info, io.BytesIO(b"data"))
    return path


@pytest.fixture
def pfs(tmp_path: Path) -> Path:
    folder = tmp_path / "pfs"
    folder.mkdir()
    return folder


def test_files_and_folders_are_laid_out(tmp_path: Path, pfs: Path) -> None:
    path = make(
        tmp_path / "c", entry("pfs/in/a/b"), entry("pfs/in/empty", tarfile.DIRTYPE), entry("pfs/x")
    )
    capsule = unpack(path, pfs)
    assert (pfs / "in/a/b").read_bytes() == b"data"
    assert (pfs / "in/empty").is_dir()
    assert capsule.job == "p@j"
    assert (capsule.cmd, capsule.env, capsule.accepted) == (("true",), {"A": "b"}, {4})
    assert capsule.withheld == ("TOKEN", "PASSWORD")
    assert (capsule.working_dir, capsule.timeout_s) == (None, None)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry("/pfs/in/a"), "/pfs/in/a leads out"),
        (entry("pfs/../../a"), "leads out"),
        (entry("pfs/in/../../../a"), "leads out"),
        (entry("pfs/in/link", tarfile.SYMTYPE, "/etc"), "pfs/in/link is neither"),
        (entry("pfs/in/hard", tarfile.LNKTYPE, "manifest.json"), "is neither"),
        (entry("pfs/in/fifo", tarfile.FIFOTYPE), "is neither"),
        (entry("pfs/in/disk", tarfile.BLKTYPE), "is neither"),
        (entry("elsewhere/a"), "has no place"),
        (entry("pfs"), "has no place"),
        (entry("pfs/out/a"), "has no place"),
        (entry("pfs/.env"), "has no place"),
        (entry("manifest.json"), "has no place"),
    ],
)
def test_what_leads_elsewhere_is_refused(
    tmp_path: Path, pfs: Path, bad: tarfile.TarInfo, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        unpack(make(tmp_path / "c", bad), pfs)
    assert list(pfs.rglob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "pfs"]


WITH_CODE = {**MANIFEST, "version": 2, "code": 64 * "0"}


def test_code_has_its_permissions_and_links(tmp_path: Path, pfs: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    script = entry("code/run.sh")
    script.mode = 0o4755
    link = entry("code/link", tarfile.SYMTYPE, "run.sh")
    folder = entry("code/empty", tarfile.DIRTYPE)
    made = make(tmp_path / "c", link, folder, script, entry("pfs/in/a"), manifest=WITH_CODE)
    assert unpack(made, pfs, None, code).code == 64 * "0"
    assert (code / "link").read_bytes() == b"data"
    assert (code / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (code / "empty").is_dir()
    assert (pfs / "in" / "a").is_file()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("code/../a")], "leads out"),
        ([entry("code//a/../../b")], "leads out"),
        ([entry("code/hard", tarfile.LNKTYPE, "manifest.json")], "isn't a file"),
        ([entry("code/disk", tarfile.BLKTYPE)], "isn't a file"),
        (
            [entry("code/l/x", tarfile.SYMTYPE, "y"), entry("code/l", tarfile.SYMTYPE, "../out")],
            "is below a link",
        ),
    ],
)
def test_code_stays_in_its_folder(
    tmp_path: Path, pfs: Path, entries: list[tarfile.TarInfo], message: str
) -> None:
    code, out = tmp_path / "code", tmp_path / "out"
    code.mkdir()
    out.mkdir()
    with pytest.raises(InvalidArgumentError, match=message):
        unpack(make(tmp_path / "c", *entries, manifest=WITH_CODE), pfs, None, code)
    assert list(out.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "code", "out", "pfs"]


def test_code_follows_no_link(tmp_path: Path, pfs: Path) -> None:
    code, out = tmp_path / "code", tmp_path / "out"
    code.mkdir()
    out.mkdir()
    entries = [entry("code/l", tarfile.SYMTYPE, "../out"), entry("code/l/x")]
    with pytest.raises(FileExistsError):
        unpack(make(tmp_path / "c", *entries, manifest=WITH_CODE), pfs, None, code)
    assert list(out.iterdir()) == []


def test_nothing_is_written_twice(tmp_path: Path, pfs: Path) -> None:
    with pytest.raises(FileExistsError):
        unpack(make(tmp_path / "c", entry("pfs/in/a"), entry("pfs/in/a")), pfs)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"{", "its manifest can't be read"),
        (b"[]", "its manifest can't be read"),
        ({**MANIFEST, "cmd": None}, "its manifest can't be read"),
        ({"format": "other"}, "its manifest is not of the form pachlocal-capsule"),
        ({**MANIFEST, "version": 3}, "this capsule is of version 3, and this pachlocal knows 2"),
        ({**MANIFEST, "version": 2}, "code is missing"),
    ],
)
def test_what_is_no_manifest_is_refused(
    tmp_path: Path, pfs: Path, manifest: Any, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        unpack(make(tmp_path / "c", manifest=manifest), pfs)


def test_what_is_no_archive_is_refused(tmp_path: Path, pfs: Path) -> None:
    whole = make(tmp_path / "c", entry("pfs/in/a")).read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "c").write_bytes(content)
        with pytest.raises(InvalidArgumentError, match="isn't a capsule"):
            unpack(tmp_path / "c", pfs)
