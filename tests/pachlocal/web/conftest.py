"""One daemon with its HTTP front for the tests of a file, and requests to it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from walkthrough.machine import Daemon


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]


class Front:
    """The front of a daemon, asked with exactly the headers that a test says."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.note = json.loads((daemon.root / "console.json").read_text())
        parts = urlsplit(self.note["link"])
        assert parts.hostname is not None
        assert parts.port is not None
        self.host, self.port = parts.hostname, parts.port
        self.token = parse_qs(parts.query)["token"][0]
        self.origin = f"http://{self.host}:{self.port}"
        self.cookie = f"pachlocal-{self.port}={self.token}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        known: bool = True,
    ) -> Answer:
        """Makes a request; `known`: with the token, as a client other than a browser sends it."""
        sent = {"Authorization": f"Bearer {self.token}"} if known else {}
        connection = self.connect()
        try:
            connection.putrequest(method, path, skip_host="Host" in (headers or {}))
            content = json.dumps(body).encode() if isinstance(body, dict) else body
            for name, value in {**sent, **(headers or {})}.items():
                connection.putheader(name, value)
            if content is not None:
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def call(self, name: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("POST", f"/api/{name}", {} if body is None else body, headers)


def wants_console(daemon: Daemon) -> None:
    """Has a daemon start with its front from now on."""
    del daemon.env["PACHLOCAL_NO_CONSOLE"]
    daemon.env["PACHLOCAL_CONSOLE_PORT"] = "0"


def with_console(daemon: Daemon) -> Front:
    wants_console(daemon)
    daemon.start()
    return Front(daemon)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    daemon = Daemon(tmp_path_factory.mktemp("web") / "store")
    try:
        yield with_console(daemon)
    finally:
        daemon.end()
        print(f"The logs:\n{daemon.log}\n{(daemon.root / 'console.log').read_text()}")
