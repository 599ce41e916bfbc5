import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from pachctl_fake import FakeServer, serve

from pachlocal.cli.pachctl import main


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    with serve() as server:
        monkeypatch.setenv("PACHD_ADDRESS", server.address)
        yield server


@pytest.fixture
def near_fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """A server that is reached by a Unix socket, as the user's own daemon is."""
    # pytest's own folders may have paths that are too long for a socket.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        with serve(has_socket=True) as server:
            monkeypatch.setenv("PACHD_ADDRESS", server.address)
            yield server


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    monkeypatch.setenv("PACH_CONFIG", str(tmp_path_factory.mktemp("none") / "config.json"))
    monkeypatch.setenv("PACHCTL_STATE", str(tmp_path_factory.mktemp("state") / "pachctl.json"))
    for name in ("PACHD_ADDRESS", "PACH_CONTEXT", "PACH_IN_WORKER", "PEER_PORT", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def pachctl(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> Outcome:
        code = main(words)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run
