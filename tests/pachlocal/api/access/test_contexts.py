"""How Pachyderm's own clients are told where the daemon is, and what it asks for."""

from __future__ import annotations

import json
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough.machine import Daemon

from pachlocal import contexts, local_socket

OTHER = {"pachd_address": "grpc://elsewhere:80", "session_token": "theirs"}


@pytest.fixture
def config(daemon: Daemon, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    daemon.env["PACH_CONFIG"] = str(path)
    del daemon.env["PACHD_ADDRESS"]
    return path


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def told(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())["v2"])


def tell(daemon: Daemon) -> Any:
    return daemon.run("pachlocal", "context", "--root", str(daemon.root))


def test_the_users_file_gets_the_context_and_keeps_the_rest(daemon: Daemon, config: Path) -> None:
    write(
        config,
        {"user_id": "me", "v2": {"active_context": "other", "contexts": {"other": OTHER}}},
    )
    result = tell(daemon)
    assert result.stdout == f'context "pachlocal" is written to {config}, and active\n'
    assert told(config)["active_context"] == "pachlocal"
    assert told(config)["contexts"]["other"] == OTHER
    assert json.loads(config.read_text())["user_id"] == "me"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert "2.12" in daemon.pachctl("version")


def test_a_context_is_kept_up_to_date(daemon: Daemon, config: Path) -> None:
    tell(daemon)
    content = json.loads(config.read_text())
    first = content["v2"]["contexts"]["pachlocal"]
    first["project"] = "iris"  # what pachctl notes there
    content["v2"]["active_context"] = "other"
    content["v2"]["contexts"]["other"] = OTHER
    write(config, content)
    seen = [first]
    for command in (("up", "--address", "127.0.0.1:0"), ("reset", "--yes")):
        if command[0] == "up":
            daemon.stop()
        result = daemon.run("pachlocal", *command, "--root", str(daemon.root))
        assert result.returncode == 0, result.stderr
        seen.append(told(config)["contexts"]["pachlocal"])
        assert seen[-1]["session_token"] != seen[-2]["session_token"]
        assert seen[-1]["pachd_address"] == daemon.note["address"]
        assert seen[-1]["project"] == "iris"
        assert told(config)["active_context"] == "other"
        assert told(config)["contexts"]["other"] == OTHER


def test_another_stores_context_is_left_alone(daemon: Daemon, config: Path) -> None:
    before = {"v2": {"contexts": {"pachlocal": OTHER}}}
    write(config, before)
    daemon.stop()
    daemon.start()
    assert json.loads(config.read_text()) == before


@pytest.mark.parametrize("text", ["{", "[]", '{"v2": 3}', '{"v2": {"contexts": []}}', '{"v1": {}}'])
def test_a_file_that_is_none_stays_as_it_is(text: str, daemon: Daemon, config: Path) -> None:
    config.write_text(text)
    result = tell(daemon)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"{config} is left unchanged" in result.stderr
    assert config.read_text() == text


@pytest.mark.parametrize("tls", [(), ("--tls",)])
def test_the_stores_own_file_is_written_anew_whatever_is_in_it(
    tls: tuple[str, ...], new_daemon: Callable[[str], Daemon]
) -> None:
    daemon = new_daemon("store")
    daemon.start()
    daemon.stop()
    path = daemon.root / "pachctl.json"
    path.write_text("{")
    result = daemon.run(
        "pachlocal", "up", "--root", str(daemon.root), "--address", "127.0.0.1:0", *tls
    )
    assert result.returncode == 0, result.stderr
    assert contexts.context_in(path)["pachd_address"] == daemon.note["address"]
    Path(daemon.note["socket"]).unlink()  # as a machine does that tidies up
    result = daemon.run("pachlocal", "fsck", "--root", str(daemon.root))
    assert result.stdout == "No errors found.\n", result.stderr


def test_a_file_that_is_a_link_is_written_where_it_leads(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    contexts.put(link, {"pachd_address": "grpc://here:1"}, active=True)
    assert link.is_symlink()
    assert contexts.context_in(real) == {"pachd_address": "grpc://here:1"}


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name: pytest's may be too long for one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_socket_that_others_could_replace_is_not_taken(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    place = local_socket.make_place("127.0.0.1", 1)
    assert place == short_path / "pachlocal" / "127.0.0.1-1.sock"
    place.parent.chmod(0o770)
    assert local_socket.make_place("127.0.0.1", 1) is None
    assert local_socket.find("127.0.0.1", 1) is None


def test_a_socket_is_found_only_while_a_daemon_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: Daemon
) -> None:
    port = int(daemon.address.rpartition(":")[2])
    found = local_socket.find("127.0.0.1", port)
    assert str(found) == daemon.note["socket"]
    assert local_socket.find("127.0.0.2", port) is None
    daemon.stop()
    assert local_socket.find("127.0.0.1", port) is None
    assert found is not None
    assert not found.exists()
