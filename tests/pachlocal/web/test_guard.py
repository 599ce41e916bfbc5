"""Who gets to the front, and who doesn't: other sites, names that point here, and strangers."""

from __future__ import annotations

import json
import re
import socket

import pytest

from .conftest import Front

DATA = "/api/pfs_v2.API/ListRepo"
CHANGE = "/api/pfs_v2.API/CreateRepo"
EVIL = "http://evil.example"


def browser(front: Front, **more: str) -> dict[str, str]:
    """Headers as the page's own requests have them."""
    own = {"Cookie": front.cookie, "Origin": front.origin, "Sec-Fetch-Site": "same-origin"}
    return own | {name.replace("_", "-"): value for name, value in more.items()}


def test_the_pages_own_requests_come_in(front: Front) -> None:
    answer = front.ask("POST", DATA, {}, browser(front), known=False)
    assert answer.status == 200
    reading = {"Cookie": front.cookie, "Sec-Fetch-Site": "same-origin"}
    assert front.ask("GET", "/pfs/a/b/c/d", None, reading, known=False).status == 404


@pytest.mark.parametrize(
    "form",
    [
        "theirs=1; {own}; more=2",
        'prefs={{"theme": "dark", "size": 2}}; {own}',  # what other programs here set as well
        "list[0]=1; {own}",
        "word; {own}",
        "{name}=another; {own}",
        "{own}; {name}=another",
    ],
)
def test_cookies_of_other_programs_dont_hide_ours(front: Front, form: str) -> None:
    cookies = form.format(own=front.cookie, name=front.cookie.partition("=")[0])
    answer = front.ask("POST", DATA, {}, browser(front, Cookie=cookies), known=False)
    assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "0.0.0.0:{port}",
        "2130706433:{port}",
        "0x7f.1:{port}",
        "127.1:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "127.0.0.1.:{port}",
        "localhost.:{port}",
        "127.0.0.1:0{port}",
        "127.0.0.1:{port}, evil.example",
        "127.0.0.1:{port}#",
        "[::1%25lo]:{port}",
        "[0:0:0:0:0:0:0:1]:{port}",
        "127.0.0.1:{port}@evil.example",
        "user@127.0.0.1:{port}",
        "",
    ],
)
def test_other_hosts_are_refused_whatever_else_is_right(front: Front, host: str) -> None:
    """A name that an attacker lets point to 127.0.0.1 makes a browser send this Host."""
    named = host.format(port=front.port)
    for path, method in ((DATA, "POST"), ("/", "GET"), ("/healthz", "GET")):
        headers = browser(front, Host=named, Origin=f"http://{named}")
        assert front.ask(method, path, b"{}", headers).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Origin": "http://127.0.0.1:{port}/"},
        {"Origin": "http://evil.example#http://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": EVIL, "Content-Type": "text/plain"},
        {"Origin": EVIL, "Content-Type": "application/x-www-form-urlencoded"},
        {"Origin": EVIL, "Content-Type": "multipart/form-data; boundary=x"},
        {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_other_sites_are_refused_even_with_the_cookie(
    front: Front, headers: dict[str, str], known: bool
) -> None:
    sent = browser(front) | {name: value.format(port=front.port) for name, value in headers.items()}
    body = {"repo": {"name": "evil"}}
    assert front.ask("POST", CHANGE, body, sent, known=known).status == 403
    assert front.ask("PUT", "/pfs/default/data/master/x", b"", sent, known=known).status == 403
    assert front.ask("DELETE", "/pfs/default/data/master/x", b"", sent, known=known).status == 403
    assert front.ask("GET", "/pfs/default/data/master/x", None, sent, known=known).status == 403


def test_a_referer_of_another_site_is_refused_where_there_is_no_origin(front: Front) -> None:
    headers = {"Cookie": front.cookie, "Referer": f"{EVIL}/page"}
    assert front.ask("GET", "/pfs/a/b/c/d", None, headers, known=False).status == 403
    headers["Referer"] = f"{front.origin}/"
    assert front.ask("GET", "/pfs/a/b/c/d", None, headers, known=False).status == 404


def test_a_change_with_the_cookie_says_its_origin(front: Front) -> None:
    headers = {"Cookie": front.cookie}
    assert front.ask("POST", CHANGE, {}, headers, known=False).status == 403


@pytest.mark.parametrize("path", [DATA, "/pfs/default/data/master/", "/archive/AQ.zip", "/"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": "pachlocal-{port}=wrong"},
        {"Cookie": "other={token}"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic {token}"},
        {"authn-token": "wrong"},
    ],
)
def test_nothing_is_read_without_the_token(
    front: Front, path: str, headers: dict[str, str]
) -> None:
    sent = {
        name: value.format(port=front.port, token=front.token) for name, value in headers.items()
    }
    method = "POST" if path == DATA else "GET"
    answer = front.ask(method, path, b"{}", {"Origin": front.origin, **sent}, known=False)
    assert answer.status == 401
    assert "pachlocal up" in answer.text


def test_there_is_no_cors(front: Front) -> None:
    preflight = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    for headers in (preflight, preflight | {"Origin": front.origin}):
        answer = front.ask("OPTIONS", DATA, None, headers, known=False)
        assert answer.status in (401, 403)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_the_link_sets_a_cookie_that_scripts_and_other_sites_dont_get(front: Front) -> None:
    answer = front.ask("GET", f"/?token={front.token}&view=a%26b", known=False)
    assert (answer.status, answer.headers["location"]) == (303, "/?view=a%26b")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(front.cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    away = front.ask("GET", f"//evil.example/?token={front.token}", known=False)
    assert not away.headers.get("location", "/x").startswith("//")
    assert front.ask("GET", "/?token=wrong", known=False).status == 401
    changing = front.ask("POST", f"{CHANGE}?token={front.token}", {}, known=False)
    assert changing.status == 401


def test_the_tokens_in_a_header_come_in(front: Front) -> None:
    config = json.loads((front.daemon.root / "pachctl.json").read_text())
    word = config["v2"]["contexts"]["pachlocal"]["session_token"]
    for headers in (
        {"authn-token": front.token},
        {"authn-token": word},
        {"Authorization": f"bearer {word}"},
    ):
        assert front.ask("POST", DATA, {}, headers, known=False).status == 200


def test_a_page_may_run_its_own_code_only(front: Front) -> None:
    answer = front.ask("GET", "/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/console/../order.py",
        "/console/%2e%2e/app.py",
        "/console/..%2fapp.py",
        "/console//etc/passwd",
    ],
)
def test_only_the_page_is_served_from_disk(front: Front, path: str) -> None:
    assert front.ask("GET", path).status == 404


def sent_raw(front: Front, head: str, body: str = "") -> list[int]:
    """Returns the statuses of what comes back for bytes as a test says them."""
    with socket.create_connection((front.host, front.port), 60) as client:
        client.sendall(f"{head}\r\n\r\n{body}".replace("HOST", front.origin[7:]).encode())
        client.shutdown(socket.SHUT_WR)
        found = client.makefile("rb").read()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", found) if status != b"100"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: HOST", "Host: HOST"],
        [],
        ["Host: HOST", "Host: evil.example"],
        ["Host: evil.example", "X-Forwarded-Host: HOST", "Forwarded: host=HOST"],
        ["Host: HOST", "Origin: http://HOST", "Origin: http://evil.example"],
        ["Host: HOST", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
        ["Host: HOST", "Referer: http://HOST/", "Referer: http://evil.example/"],
        ["Host: HOST", "Referer: http://HOST@evil.example/"],
        ["Host: HOST", "Origin: http://evil.example", "Upgrade: websocket", "Connection: Upgrade"],
    ],
)
def test_headers_that_contradict_each_other_are_refused(front: Front, lines: list[str]) -> None:
    own = [f"Cookie: {front.cookie}", f"Authorization: Bearer {front.token}"]
    (status,) = sent_raw(front, "\r\n".join(["GET / HTTP/1.1", *lines, *own]))
    assert status in (400, 403)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", "2\r\n{}\r\n0\r\n\r\n"),
        ("Content-Length: 2\r\nContent-Length: 3", "{}"),
        ("Content-Length: +2", "{}"),
        ("Transfer-Encoding: xchunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding : chunked", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "2\r\n{}SMUGGLED0\r\n\r\n"),
    ],
)
def test_a_length_that_a_proxy_may_read_otherwise_ends_the_connection(
    front: Front, headers: str, body: str
) -> None:
    own = f"Host: HOST\r\nAuthorization: Bearer {front.token}"
    smuggled = f"GET /healthz HTTP/1.1\r\nHost: {front.origin[7:]}\r\n\r\n"
    head = f"POST {DATA} HTTP/1.1\r\n{own}\r\n{headers}"
    assert sent_raw(front, head, body + smuggled) == [400]


@pytest.mark.parametrize(
    "line",
    [
        f"POST http://HOST{DATA}",
        f"POST http://evil.example{DATA}",
        "GET http://evil.example/?token=TOKEN",
        "GET healthz",
        "OPTIONS *",
    ],
)
def test_only_paths_are_asked_for(front: Front, line: str) -> None:
    own = f"Host: HOST\r\nAuthorization: Bearer {front.token}"
    assert sent_raw(front, f"{line.replace('TOKEN', front.token)} HTTP/1.1\r\n{own}") == [400]


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_is_what_the_request_says(front: Front, name: str) -> None:
    repo = {"repo": {"name": "kept", "project": {"name": "default"}}}
    assert front.call("pfs_v2.API/CreateRepo", repo).status == 200
    path = "/pfs/default/kept/master/file"
    assert front.ask("PUT", path, b"x").status == 201
    assert front.ask("GET", f"{path}?_method=DELETE", headers={name: "DELETE"}).body == b"x"
    assert front.ask("POST", path, b"", headers={name: "DELETE"}).status == 405
    assert front.ask("GET", path).body == b"x"
    assert front.call("pfs_v2.API/DeleteRepo", repo).status == 200


def test_there_is_no_other_protocol_on_the_connection(front: Front) -> None:
    for lines in (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
    ):
        assert sent_raw(front, f"GET /healthz HTTP/1.1\r\nHost: HOST\r\n{lines}") == [200]
