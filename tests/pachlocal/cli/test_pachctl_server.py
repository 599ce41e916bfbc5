import json
import re
from pathlib import Path
from typing import Any

import pytest

from pachlocal.cli.pachctl.client.address import Address, parse_address
from pachlocal.cli.pachctl.client.config import load, settings_at
from pachlocal.errors import CliError


@pytest.mark.parametrize(
    ("text", "address", "target"),
    [
        ("localhost", "grpc://localhost:30650", "localhost:30650"),
        ("10.0.0.1:1650", "grpc://10.0.0.1:1650", "10.0.0.1:1650"),
        ("grpc://host", "grpc://host:30650", "host:30650"),
        ("http://host:80", "grpc://host:80", "host:80"),
        ("grpcs://host:443", "grpcs://host:443", "host:443"),
        ("https://host", "grpcs://host:30650", "host:30650"),
        ("grpc://[::1]:5", "grpc://[::1]:5", "[::1]:5"),
        ("unix:///run/pachd.sock", "unix:///run/pachd.sock", "unix:/run/pachd.sock"),
    ],
)
def test_addresses(text: str, address: str, target: str) -> None:
    parsed = parse_address(text, "test")

    assert (str(parsed), parsed.target) == (address, target)
    assert parse_address(address, "test") == parsed


@pytest.mark.parametrize(
    "text",
    [
        "grpc://host/path",
        "grpc://host:1/",
        "grpc://me@host",
        "grpc://host?x=1",
        "grpc://host#x",
        "ftp://host",
        "grpc://",
        ":30650",
        "host:port",
        "host:99999",
        "host:0",
        "grpc://a b",
        "unix://relative",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(CliError, match=re.escape(f'PACHD_ADDRESS: "{text}": ')) as refusal:
        parse_address(text, "PACHD_ADDRESS")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0"])  # noqa: S104
def test_local_hosts(host: str) -> None:
    assert Address(host).is_local
    assert not Address("10.0.0.1").is_local
    assert not Address("pachd.example.com").is_local


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "config.json"
    monkeypatch.setenv("PACH_CONFIG", str(path))

    def write(content: Any) -> Path:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


CONTEXTS = {
    "user_id": "x",
    "v2": {
        "active_context": "here",
        "contexts": {
            "here": {"pachd_address": "grpc://here:1", "project": "p", "session_token": "t"},
            "there": {"pachd_address": "grpc://there:2"},
            "forwarded": {"port_forwarders": {"pachd": 31000}},
            "empty": {},
        },
    },
}


def test_without_anything_it_is_the_local_server(config: Any) -> None:
    settings = load()

    assert (settings.address, settings.project) == ("grpc://127.0.0.1:30650", "default")
    assert settings.origin == "default"


def test_the_active_context_says_where(config: Any) -> None:
    path = config(CONTEXTS)
    settings = load()

    assert (settings.address, settings.project) == ("grpc://here:1", "p")
    assert settings.token == "t"  # noqa: S105
    assert settings.origin == f"{path}, context here"


def test_another_context_may_be_named(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config(CONTEXTS)
    for name, address in (
        ("there", "grpc://there:2"),
        ("forwarded", "grpc://127.0.0.1:31000"),
        ("empty", "grpc://127.0.0.1:30650"),
    ):
        monkeypatch.setenv("PACH_CONTEXT", name)
        assert load().address == address


def test_the_environment_is_stronger(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config(CONTEXTS)
    monkeypatch.setenv("PACHD_ADDRESS", "grpc://env:3")

    assert (load().address, load().project) == ("grpc://env:3", "p")


def test_a_token_goes_to_the_address_that_a_context_has_it_for(config: Any) -> None:
    config(CONTEXTS)

    assert settings_at("grpc://here:1", "--address").token == "t"  # noqa: S105
    assert settings_at("grpc://there:2", "--address").token == ""
    assert settings_at("grpc://elsewhere:3", "--address").token == ""


def test_in_a_worker_the_token_is_that_of_its_server(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(CONTEXTS)
    monkeypatch.setenv("PACH_PYTHON_AUTH_TOKEN", "environment")
    assert load().token == "t"  # noqa: S105
    monkeypatch.setenv("PACH_IN_WORKER", "true")
    assert load().token == "environment"  # noqa: S105


def test_user_code_means_the_server_it_runs_for(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACHD_ADDRESS", "grpc://env:3")
    monkeypatch.setenv("PACH_IN_WORKER", "true")
    monkeypatch.setenv("PEER_PORT", "1650")

    assert load().address == "grpc://127.0.0.1:1650"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", ":1:2: "),
        ("[]", ": v2: expected an object"),
        ({"v2": 1}, ": v2: expected an object"),
        ({"v2": {"contexts": []}}, ": contexts: expected an object"),
        ({"v2": {"active_context": 1}}, ": v2.active_context: expected text"),
        (
            {"v2": {"active_context": "a", "contexts": {"a": {"pachd_address": 1}}}},
            ": pachd_address: expected text",
        ),
        (b"\xff\xfe".decode("latin-1"), ":1:1: "),
    ],
)
def test_a_broken_file_is_named(config: Any, content: Any, reason: str) -> None:
    path = config(content)

    with pytest.raises(CliError) as refusal:
        load()
    assert str(refusal.value).startswith(str(path))
    assert reason in str(refusal.value)


def test_a_context_that_is_not_there_is_named(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config(CONTEXTS)
    monkeypatch.setenv("PACH_CONTEXT", "nowhere")

    with pytest.raises(CliError, match='no context "nowhere"'):
        load()


def test_the_file_is_never_written(config: Any, pachctl: Any) -> None:
    path = config(CONTEXTS)
    before = path.read_bytes(), path.stat().st_mtime_ns

    assert pachctl("config", "get", "active-context").out == "here\n"
    assert pachctl("config", "list", "contexts").out.splitlines()[:3] == [
        "ACTIVE NAME",
        "       empty",
        "       forwarded",
    ]
    assert "session_token" not in pachctl("config", "get", "context").out
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
