"""The console for other machines: behind TLS, by any name that this machine has."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from programs import Program
from walkthrough.machine import Daemon

from pachlocal.api.access import signing
from pachlocal.own_names import own_names

DEADLINE_MS = 60_000


class Served(NamedTuple):
    """Where the console is: its port, and the secret of its link."""

    port: int
    token: str


@pytest.fixture
def served(daemon: Daemon, tmp_path: Path) -> Iterator[Served]:
    made = signing.sign_itself(own_names())
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.certificate)
    key.write_bytes(made.key)
    command = ["pachlocal", "console", "--listen", "0.0.0.0:0"]
    command += ["--certificate", str(certificate), "--key", str(key)]
    with Program(command, env=daemon.env, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        link = urlsplit(shown.stdout.readline().split()[-1])
        assert link.scheme == "https"
        assert link.port is not None
        yield Served(link.port, link.query.removeprefix("token="))
        shown.terminate()


@pytest.mark.parametrize("name", own_names())
def test_it_is_reached_by_every_name_of_the_machine(served: Served, name: str) -> None:
    assert status(served, f"[{name}]" if ":" in name else name) == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "0.0.0.1", "127.1"])
def test_by_other_names_it_is_not(served: Served, name: str) -> None:
    assert status(served, name) == 403


def status(served: Served, host: str) -> int:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", served.port, context=context, timeout=60)
    headers = {"Host": f"{host}:{served.port}", "Authorization": f"Bearer {served.token}"}
    connection.request("GET", "/", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_browser_shows_it_and_what_changes(served: Served, daemon: Daemon, browser: Any) -> None:
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/page.txt", stdin="hello\n")
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(DEADLINE_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    origin = f"https://127.0.0.1:{served.port}"
    page.goto(f"{origin}/?token={served.token}#/dag/default?as=list")
    page.get_by_role("link", name="data", exact=True).first.wait_for()
    assert served.token not in page.url
    (cookie,) = context.cookies()
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
    daemon.pachctl("create", "repo", "later")
    page.get_by_role("link", name="later", exact=True).first.wait_for()
    page.goto(f"{origin}/#/files/default/data/master?path=/page.txt")
    page.get_by_text("hello").first.wait_for()
    with page.expect_download() as begun:
        page.get_by_role("link", name=re.compile("download", re.IGNORECASE)).first.click()
    assert Path(begun.value.path()).read_text() == "hello\n"
    assert errors == []
    context.close()
