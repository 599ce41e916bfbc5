import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from pachctl_fake import FakeServer, tar_of

from pachlocal.cli.pachctl.pfs.get import unpack
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2

PACHCTL = [
    sys.executable,
    "-c",
    "import sys; from pachlocal.cli.pachctl import main; sys.exit(main())",
]


def kinds(requests: list[pfs_pb2.ModifyFileRequest]) -> list[str]:
    return [request.WhichOneof("body") or "" for request in requests]


def test_a_file_replaces_what_was_there(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    fake.files["/iris.csv"] = b"old"
    (tmp_path / "iris.csv").write_bytes(b"new")

    assert pachctl("put", "file", "data@master", "-f", str(tmp_path / "iris.csv")) == (0, "", "")
    assert fake.called() == ["InspectRepo", "ModifyFile", "InspectCommit"]
    stream = fake.last("ModifyFile")
    assert kinds(stream) == ["set_commit", "delete_file", "add_file"]
    assert stream[0].set_commit.branch.name == "master"
    assert stream[0].set_commit.repo.project.name == "default"
    assert fake.files == {"/iris.csv": b"new"}


def test_or_is_added_to_it(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    fake.files["/iris.csv"] = b"old"
    (tmp_path / "iris.csv").write_bytes(b"new")

    pachctl("put", "file", "data@master", "-a", "-f", str(tmp_path / "iris.csv"))
    assert fake.files == {"/iris.csv": b"oldnew"}


def test_large_files_go_in_pieces_and_empty_ones_without_content(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 20_000  # 4.9 MiB
    (tmp_path / "large").write_bytes(content)
    (tmp_path / "empty").write_bytes(b"")

    pachctl("put", "file", "data@master:/d", "-r", "-f", str(tmp_path))
    added = [it.add_file for it in fake.last("ModifyFile") if it.HasField("add_file")]
    assert [(it.path, it.WhichOneof("source")) for it in added[:2]] == [
        ("/d/empty", None),
        ("/d/large", "raw"),
    ]
    assert len(added) > 4
    assert max(len(it.raw.value) for it in added) <= 2 << 20
    assert fake.files == {"/d/empty": b"", "/d/large": content}


def test_several_sources_and_lists_of_them(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "list").write_text(f"{tmp_path / 'a'}\n\nhttps://host/x/c.csv\n")

    pachctl("put", "file", "data@m:/d", "-f", str(tmp_path / "a"), "-f", str(tmp_path / "b"))
    assert fake.files == {"/d/a": b"a", "/d/b": b"b"}
    pachctl("put", "file", "data@m", "-i", str(tmp_path / "list"))
    url = fake.last("ModifyFile")[-1].add_file
    assert (url.path, url.url.URL) == ("c.csv", "https://host/x/c.csv")


def test_many_files_go_in_batches_where_the_server_takes_them(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    fake.offers_local = True
    for number in range(1200):
        (tmp_path / f"{number:04}").write_text(f"{number}")
    (tmp_path / "large").write_bytes(bytes(3 << 20))

    assert pachctl("put", "file", "d@m:/x", "-r", "-f", str(tmp_path)) == (0, "", "")
    assert fake.called() == ["InspectRepo", "Check", "ModifyFile", "InspectCommit"]
    assert sum(fake.batches) == len(fake.last("ModifyFile"))
    assert fake.batches[0] >= 1000
    assert max(fake.batches) < 1010
    assert len(fake.files) == 1201
    assert fake.files["/x/0815"] == b"815"
    assert fake.files["/x/large"] == bytes(3 << 20)


def test_one_file_is_not_worth_asking_for_batches(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    fake.offers_local = True
    (tmp_path / "a").write_text("a")

    pachctl("put", "file", "d@m", "-f", str(tmp_path / "a"))
    assert fake.called() == ["InspectRepo", "ModifyFile", "InspectCommit"]


def test_a_batch_that_fails_half_way_leaves_nothing(
    fake: FakeServer, pachctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.offers_local = True
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(2 << 20))
    real = os.read

    def fail(descriptor: int, length: int) -> bytes:
        if length > 1 << 16:
            raise OSError(5, "Input/output error")
        return real(descriptor, length)

    monkeypatch.setattr("pachlocal.cli.pachctl.pfs.upload.os.read", fail)

    outcome = pachctl("put", "file", "d@m:/", "-r", "-f", str(tmp_path))
    assert outcome == (1, "", f"pachctl: {tmp_path / 'a'}: Input/output error\n")
    assert fake.files == {}


def test_a_list_of_sources_may_come_from_a_server(fake: FakeServer, pachctl: Any) -> None:
    class Lists(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"https://host/a.csv\nhttps://host/b.csv\n")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lists) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/list"
            assert pachctl("put", "file", "d@m:/x", "-i", url) == (0, "", "")
        finally:
            server.shutdown()
    added = [it.add_file for it in fake.last("ModifyFile") if it.HasField("add_file")]
    assert [(it.path, it.url.URL) for it in added] == [
        ("/x/a.csv", "https://host/a.csv"),
        ("/x/b.csv", "https://host/b.csv"),
    ]
    assert pachctl("put", "file", "d@m", "-i", "ftp://host/list").code == 1


def test_nothing_is_sent_when_a_source_is_missing(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a")

    outcome = pachctl("put", "file", "d@m", "-f", str(tmp_path / "a"), "-f", str(tmp_path / "no"))
    assert outcome == (1, "", f"pachctl: {tmp_path / 'no'}: no such file\n")
    assert fake.called() == ["InspectRepo"]


def test_a_missing_repo_is_told_before_the_stream(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    fake.answers["InspectRepo"] = (grpc.StatusCode.NOT_FOUND, "repo default/d not found")
    fake.answers["ListRepo"] = []
    (tmp_path / "a").write_text("a")

    outcome = pachctl("put", "file", "d@m", "-f", str(tmp_path / "a"))
    assert outcome == (1, "", "pachctl: repo default/d not found\n")
    assert fake.called() == ["InspectRepo", "ListRepo"]  # for a guess at what was meant


def test_a_source_that_fails_half_way_leaves_nothing(
    fake: FakeServer, pachctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: str) -> Any:
        yield bytes(2 << 20)  # enough to be sent at once
        raise CliError(f"{source}: gone")

    monkeypatch.setattr("pachlocal.cli.pachctl.pfs.upload.read", fail)
    (tmp_path / "a").write_text("a")

    outcome = pachctl("put", "file", "d@m", "-f", str(tmp_path / "a"))
    assert (outcome.code, outcome.err) == (1, f"pachctl: {tmp_path / 'a'}: gone\n")
    assert "ModifyFile" not in fake.called()  # a stream that ends is one that counts
    assert fake.files == {}


def test_the_server_s_refusal_of_a_stream_is_told(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    fake.answers["ModifyFile"] = (grpc.StatusCode.UNKNOWN, "commit d@m has already finished")
    (tmp_path / "a").write_text("a")

    outcome = pachctl("put", "file", "d@m", "-f", str(tmp_path / "a"))
    assert outcome == (1, "", "pachctl: commit d@m has already finished\n")


def test_standard_input(fake: FakeServer) -> None:
    command = [*PACHCTL, "put", "file", "d@m:/in", "-f", "-"]
    content = b"x" * 100_000
    done = subprocess.run(command, input=content, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert fake.files == {"/in": content}


def test_a_file_is_printed_as_it_is(fake: FakeServer) -> None:
    fake.files["/a"] = bytes(range(256))
    done = subprocess.run([*PACHCTL, "get", "file", "d@m:a"], capture_output=True, check=False)

    assert done.stdout == bytes(range(256))


def test_only_a_whole_file_takes_the_name(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    fake.files["/a"] = b"content"
    target = tmp_path / "out"
    target.write_text("old")

    assert pachctl("get", "file", "d@m:/missing", "-o", str(target)).code == 1
    assert target.read_text() == "old"
    assert pachctl("get", "file", "d@m:/a", "-o", str(target)) == (0, "", "")
    assert target.read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    (tmp_path / "usual").touch()
    assert target.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_is_written_to_takes_no_links_or_devices_place(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    fake.files["/a"] = b"content"
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    target.touch(0o600)
    link.symlink_to("target")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    assert pachctl("get", "file", "d@m:/a", "-o", str(link)) == (0, "", "")
    assert (link.is_symlink(), target.read_text()) == (True, "content")
    assert target.stat().st_mode & 0o777 == 0o600
    assert pachctl("get", "file", "d@m:/a", "-o", str(pipe)) == (0, "", "")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert pipe.is_fifo()


def test_an_empty_file_is_made(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    fake.files["/a"] = b""

    assert pachctl("get", "file", "d@m:/a", "-o", str(tmp_path / "out")).code == 0
    assert (tmp_path / "out").read_bytes() == b""


def test_a_directory_is_unpacked(fake: FakeServer, pachctl: Any, tmp_path: Path) -> None:
    fake.answers["InspectFile"] = pfs_pb2.FileInfo(file=pfs_pb2.File(path="/d/"))
    fake.files = {"/d/": b"", "/d/a": b"a", "/d/e/": b"", "/d/e/b": b"b" * 100_000}

    assert pachctl("get", "file", "d@m:/d", "-r", "-o", str(tmp_path / "out")) == (0, "", "")
    found = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"a": b"a", "e/b": b"b" * 100_000}


def test_a_directory_needs_a_place(fake: FakeServer, pachctl: Any) -> None:
    assert pachctl("get", "file", "d@m:/d", "-r").code == 2


def open_tar(content: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(content), mode="r|")


def test_a_single_file_takes_the_given_name(tmp_path: Path) -> None:
    with open_tar(tar_of({"/a.csv": b"x"})) as tar:
        unpack(tar, "/a.csv", tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["/../evil", "/d/../../evil", "/d/../evil", "../../evil"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a" / "b"
    with (
        open_tar(tar_of({"/ok": b"x", name: b"evil"})) as tar,
        pytest.raises(CliError, match="leads outside"),
    ):
        unpack(tar, "/", folder)

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["ok"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "d").symlink_to(tmp_path / "elsewhere")

    with (
        open_tar(tar_of({"/d/x": b"evil"})) as tar,
        pytest.raises(CliError, match="leads outside"),
    ):
        unpack(tar, "/", tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_nothing_is_written_through_a_linked_file(tmp_path: Path) -> None:
    (tmp_path / "out" / "d").mkdir(parents=True)
    (tmp_path / "secret").write_text("kept")
    (tmp_path / "out" / "d" / "x").symlink_to(tmp_path / "secret")

    with (
        open_tar(tar_of({"/d/ok": b"x", "/d/x": b"evil"})) as tar,
        pytest.raises(CliError, match="leads outside"),
    ):
        unpack(tar, "/", tmp_path / "out")
    assert (tmp_path / "secret").read_text() == "kept"


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo(f"/odd{kind!r}")
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
    with open_tar(buffer.getvalue()) as tar:
        unpack(tar, "/", tmp_path)

    assert list(tmp_path.iterdir()) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("looked_at", [True, False])
def test_long_transfers_say_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch, looked_at: bool
) -> None:
    clock = iter([0.0, 0.5, 2.0, 2.1, 3.0])
    monkeypatch.setattr(
        "pachlocal.cli.pachctl.printing.progress.time.monotonic", lambda: next(clock)
    )
    screen = Terminal() if looked_at else io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)

    with TransferProgress(wanted=True, files=1000) as meter:
        for _ in range(4):
            meter.advance(100, 1 << 20)

    clear = "\r\x1b[K"
    shown = [
        "200 of 1,000 files, 2MiB, 1MiB/s",  # nothing in the first second, nor too often
        "400 of 1,000 files, 4MiB, 1.333MiB/s",
        "",
    ]
    assert screen.getvalue() == ("".join(clear + line for line in shown) if looked_at else "")


def test_a_get_says_of_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0])
    monkeypatch.setattr(
        "pachlocal.cli.pachctl.printing.progress.time.monotonic", lambda: next(clock)
    )
    monkeypatch.setattr("sys.stderr", Terminal())

    with TransferProgress(wanted=True, size_bytes=4096) as meter:
        meter.advance(0, 1024)
    assert sys.stderr.getvalue().startswith("\r\x1b[K1KiB of 4KiB, 512B/s")  # type: ignore[attr-defined]


def test_a_put_has_succeeded_even_if_its_commit_can_not_be_looked_at(
    fake: FakeServer, pachctl: Any, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a")
    fake.answers["InspectCommit"] = (grpc.StatusCode.PERMISSION_DENIED, "not for you")
    assert pachctl("put", "file", "d@m", "-f", str(tmp_path / "a")) == (0, "", "")
