"""Who gets to the front, and who doesn't: other sites, names that point here, and strangers."""

from __future__ import annotations

import json
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
    other = f"theirs=1; {front.cookie}; more=2"
    assert front.ask("POST", DATA, {}, browser(front, Cookie=other), known=False).status == 200


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


def test_two_hosts_or_no_http_are_refused(front: Front) -> None:
    own = f"Host: {front.host}:{front.port}\r\n"
    for lines in (own + own, "", own + "Host: evil.example\r\n"):
        with socket.create_connection((front.host, front.port)) as client:
            client.sendall(
                f"GET / HTTP/1.1\r\n{lines}Authorization: Bearer {front.token}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            answer = client.makefile("rb").read()
        assert answer.split()[1] in (b"400", b"403")
