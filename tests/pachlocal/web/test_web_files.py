"""/pfs and /archive: files by HTTP."""

from __future__ import annotations

import base64
import io
import socket
import sys
import zipfile

import pytest

from .conftest import Front

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT = bytes(range(256)) * 12_000  # longer than a message
BASE = "/pfs/default/data/master"


@pytest.fixture(scope="module", autouse=True)
def data(front: Front) -> None:
    repo = {"name": "data", "project": {"name": "default"}}
    assert front.call("pfs_v2.API/CreateRepo", {"repo": repo}).status == 200
    for path, content in {
        "/big": CONTENT,
        "/dir/a b%25.csv": b"1,2\n",
        "/dir/page.html": b"<script>alert(1)</script>",
        "/dir/start": b"no",
        "/empty": b"",
    }.items():
        sent = path.replace("%", "%25").replace(" ", "%20")
        assert front.ask("PUT", BASE + sent, content).status == 201


def test_a_file_comes_whole_with_type_tag_and_time(front: Front) -> None:
    answer = front.ask("GET", f"{BASE}/big")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["etag"].startswith('"')
    assert "last-modified" in answer.headers
    head = front.ask("HEAD", f"{BASE}/big")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["etag"] == answer.headers["etag"]
    assert head.headers["content-length"] == str(len(CONTENT))
    assert front.ask("GET", f"{BASE}/dir/a%20b%2525.csv").headers["content-type"] == (
        "text/csv; charset=utf-8"
    )
    assert front.ask("GET", f"{BASE}/empty").body == b""
    glob = front.ask("GET", f"{BASE}/dir/*")
    assert glob.status in (400, 404)  # a path is meant, never a glob


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        ("bytes=0-4", 206, 0, 5),
        ("bytes=1000000-1999999", 206, 1_000_000, 2_000_000),
        ("bytes=3071990-", 206, 3_071_990, 3_072_000),
        ("bytes=-7", 206, 3_071_993, 3_072_000),
        ("bytes=3071999-9999999", 206, 3_071_999, 3_072_000),
        ("bytes=-9999999", 206, 0, 3_072_000),
        ("bytes=5-4", 200, 0, 3_072_000),
        ("bytes=0-1,3-4", 200, 0, 3_072_000),
        ("lines=1-2", 200, 0, 3_072_000),
        ("bytes=3072000-", 416, 0, 0),
        ("bytes=99999999999999999999-", 416, 0, 0),
        ("bytes=-99999999999999999999", 206, 0, 3_072_000),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_ranges(front: Front, wanted: str, status: int, start: int, end: int) -> None:
    answer = front.ask("GET", f"{BASE}/big", headers={"Range": wanted})
    assert answer.status == status
    assert answer.body == CONTENT[start:end]
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_conditions(front: Front) -> None:
    head = front.ask("HEAD", f"{BASE}/big").headers
    tag, time = head["etag"], head["last-modified"]
    long_ago = "Mon, 01 Jan 2001 00:00:00 GMT"
    for headers, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f'"x", W/{tag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": time}, 200),
        ({"If-Modified-Since": time}, 304),
        ({"If-Modified-Since": long_ago}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, 200),
        ({"If-Match": tag}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Unmodified-Since": long_ago}, 412),
        ({"Range": "bytes=0-0", "If-Range": tag}, 206),
        ({"Range": "bytes=0-0", "If-Range": '"x"'}, 200),
        ({"Range": "bytes=0-0", "If-Range": time}, 206),
    ):
        assert front.ask("HEAD", f"{BASE}/big", headers=headers).status == status, headers


def test_a_commit_is_cached_and_a_branch_is_asked_for_again(front: Front) -> None:
    commit = {"branch": {"name": "master", "repo": {"name": "data"}}}
    found = front.call("pfs_v2.API/InspectCommit", {"commit": commit}).json["commit"]["id"]
    answer = front.ask("HEAD", f"/pfs/default/data/{found}/big")
    assert answer.headers["cache-control"] == "private, max-age=31536000"
    assert front.ask("GET", "/pfs/default/data/master^/big").status == 200
    assert front.ask("GET", "/pfs/default/data/none/big").status == 404
    assert front.ask("GET", "/pfs/default/none/master/big").status == 404


def test_folders_are_listed(front: Front) -> None:
    answer = front.ask("GET", f"{BASE}/")
    assert "-\t3072000\t/big\n" in answer.text
    assert "\t/dir/\n" in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    head = front.ask("HEAD", f"{BASE}/dir/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == answer.headers["content-type"]
    assert "content-length" not in head.headers  # a listing's isn't known, and isn't 0
    page = front.ask("GET", f"{BASE}/dir/", headers={"Accept": "text/html,*/*;q=0.8"}).text
    assert '<a href="./a%20b%2525.csv">a b%25.csv</a>' in page
    assert "<a href=../>..</a>" in page
    answer = front.ask("GET", f"{BASE}/dir")
    assert (answer.status, answer.headers["location"]) == (301, f"{BASE}/dir/")
    answer = front.ask("GET", BASE)
    assert (answer.status, answer.headers["location"]) == (301, f"{BASE}/")
    assert "the form is" in front.ask("GET", "/pfs/default/data").text
    assert front.ask("GET", f"{BASE}/none").status == 404


def test_a_stored_page_can_run_nothing(front: Front) -> None:
    answer = front.ask("GET", f"{BASE}/dir/page.html")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    listing = front.ask("GET", f"{BASE}/dir/", headers={"Accept": "text/html"})
    assert listing.headers["content-security-policy"].startswith("default-src 'none'; base-uri")


def test_put_replaces_and_delete_removes(front: Front) -> None:
    path = f"{BASE}/changed"
    assert front.ask("PUT", path, b"a").status == 201
    tag = front.ask("HEAD", path).headers["etag"]
    assert front.ask("PUT", path, CONTENT).status == 204
    assert front.ask("GET", path).body == CONTENT
    assert front.ask("PUT", path, b"b", {"If-Match": tag}).status == 412
    assert front.ask("PUT", path, b"b", {"If-None-Match": "*"}).status == 412
    assert front.ask("GET", path).body == CONTENT
    assert front.ask("DELETE", path).status == 204
    assert front.ask("GET", path).status == 404
    assert front.ask("DELETE", path).status == 404
    assert front.ask("PUT", f"{BASE}/", b"x").status == 400
    assert front.ask("POST", path, b"x").status == 405


def test_a_put_keeps_to_the_folders_that_there_are(front: Front) -> None:
    """A commit with a file in the place of a folder can't be finished."""
    for path, said in (
        ("/dir", "/dir/ is a folder"),
        ("/dir/start/below", "/dir/start is a file"),
        ("//dir//start//far//below", "/dir/start is a file"),
    ):
        answer = front.ask("PUT", BASE + path, b"x")
        assert (answer.status, answer.text) == (409, f"{said}\n")
    assert front.ask("GET", f"{BASE}/dir/start").body == b"no"


def test_a_put_of_a_part_is_refused(front: Front) -> None:
    """As `curl -C` sends it: what is there would be replaced by the part."""
    part = {"Content-Range": "bytes 1-1/2"}
    assert front.ask("PUT", f"{BASE}/dir/start", b"o", part).status == 400
    assert front.ask("GET", f"{BASE}/dir/start").body == b"no"


def test_a_folder_is_deleted_with_or_without_its_slash(front: Front) -> None:
    for path in (f"{BASE}/gone", f"{BASE}/gone/"):
        assert front.ask("PUT", f"{BASE}/gone/a/b", b"x").status == 201
        assert front.ask("DELETE", path).status == 204
        assert front.ask("GET", f"{BASE}/gone/").status == 404


def test_a_name_is_no_pattern(front: Front) -> None:
    path = f"{BASE}/back%5Cslash"
    assert front.ask("PUT", path, b"x").status == 201
    assert front.ask("GET", path).body == b"x"
    assert front.ask("DELETE", path).status == 204


def test_what_is_packed_has_the_type_of_its_packing(front: Front) -> None:
    for name, kind in (("t.csv.gz", "application/gzip"), ("t.tar.bz2", "application/x-bzip2")):
        assert front.ask("PUT", f"{BASE}/{name}", b"x").status == 201
        assert front.ask("HEAD", f"{BASE}/{name}").headers["content-type"] == kind
        assert front.ask("DELETE", f"{BASE}/{name}").status == 204


def test_a_put_that_breaks_off_changes_nothing(front: Front) -> None:
    path = f"{BASE}/half"
    with socket.create_connection((front.host, front.port)) as client:
        client.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {front.host}:{front.port}\r\n"
            f"Authorization: Bearer {front.token}\r\nContent-Length: 9000000\r\n\r\n".encode()
            + CONTENT
        )
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):  # until the front has given it up
            pass
    assert front.ask("GET", path).status == 404


def token(*paths: str) -> str:
    text = b"".join(path.encode() + b"\0" for path in paths)
    return base64.urlsafe_b64encode(b"\1" + zstd.compress(text)).decode().rstrip("=")


def test_an_archive_has_files_of_several_places(front: Front) -> None:
    name = token("default/data@master:/dir/", "default/data@master:/big")
    answer = front.ask("GET", f"/archive/{name}.zip")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment; filename=pachyderm-download-" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        commit = names[0].split("/")[2]
        assert archive.read(f"default/data/{commit}/big") == CONTENT
        assert archive.read(f"default/data/{commit}/dir/a b%25.csv") == b"1,2\n"
        assert len(names) == 4


def test_what_an_archive_lacks_is_said_in_it(front: Front) -> None:
    name = token("default/data@master:/none", "default/data@master:/dir/start")
    answer = front.ask("GET", f"/archive/{name}.zip")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert "/none" in archive.read("@error.txt").decode()
        assert any(name.endswith("/dir/start") for name in archive.namelist())


@pytest.mark.parametrize(
    "name", ["x.zip", "AQ.zip", token("no path") + ".zip", token("a/b@c:/d") + ".tar", "?.zip"]
)
def test_a_bad_link_to_an_archive_is_refused(front: Front, name: str) -> None:
    answer = front.ask("GET", f"/archive/{name}")
    assert answer.status in (400, 404)
