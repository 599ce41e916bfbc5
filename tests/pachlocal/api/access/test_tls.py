"""Other machines' way in: TLS and a token, or everybody's on the user's own word."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from walkthrough.machine import Daemon

from .stranger import ask, stranger

pytest.importorskip("cryptography", reason="needs the extra tls")


def up(daemon: Daemon, *arguments: str) -> Any:
    return daemon.run("pachlocal", "up", "--root", str(daemon.root), *arguments)


def context_of(daemon: Daemon) -> dict[str, str]:
    config = json.loads((daemon.root / "pachctl.json").read_text())
    assert config["v2"]["active_context"] == "pachlocal"
    return dict(config["v2"]["contexts"]["pachlocal"])


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("tls") / "store")
    result = up(daemon, "--address", "0.0.0.0:0", "--tls")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == (
        f"clients find it with: export PACH_CONFIG={daemon.root}/pachctl.json"
    )
    daemon.started()
    del daemon.env["PACHD_ADDRESS"]
    daemon.env["PACH_CONFIG"] = str(daemon.root / "pachctl.json")
    yield daemon
    daemon.end()


@contextmanager
def secured(address: str, certificates: str) -> Iterator[grpc.Channel]:
    trusted = grpc.ssl_channel_credentials(base64.b64decode(certificates))
    with grpc.secure_channel(address.removeprefix("grpcs://"), trusted) as channel:
        yield channel


def test_the_context_has_all_that_a_client_needs(secure: Daemon) -> None:
    context = context_of(secure)
    with secured(context["pachd_address"], context["server_cas"]) as channel:
        assert ask(channel, context["session_token"]) == "OK"


def test_not_even_the_user_gets_in_without_the_token(secure: Daemon) -> None:
    context = context_of(secure)
    with secured(context["pachd_address"], context["server_cas"]) as channel:
        assert ask(channel).startswith("UNAUTHENTICATED: no authentication token")
        assert ask(channel, "x").startswith("UNAUTHENTICATED: provided auth token is")


def test_nothing_is_said_without_tls_or_to_who_trusts_another(
    secure: Daemon, new_daemon: Callable[[str], Daemon]
) -> None:
    context = context_of(secure)
    address, token = context["pachd_address"], context["session_token"]
    with grpc.insecure_channel(address.removeprefix("grpcs://")) as channel:
        assert ask(channel, token).startswith("UNAVAILABLE")
    other = new_daemon("other")
    assert up(other, "--address", "127.0.0.1:0", "--tls").returncode == 0
    with secured(address, context_of(other)["server_cas"]) as channel:
        assert ask(channel, token).startswith("UNAVAILABLE")


def elsewhere(daemon: Daemon, folder: Path, context: dict[str, str]) -> Daemon:
    """Makes a client that can't reach a daemon by its socket, as one on another machine."""
    folder.mkdir(mode=0o700)
    config = folder / "config.json"
    contexts = {"pachlocal": context}
    config.write_text(json.dumps({"v2": {"contexts": contexts, "active_context": "pachlocal"}}))
    client = Daemon(daemon.root)
    client.env |= {"PACH_CONFIG": str(config), "XDG_RUNTIME_DIR": str(folder)}
    return client


def complaint(client: Daemon) -> str:
    result = client.run("pachctl", "list", "repo")
    assert result.returncode == 1
    return str(result.stderr)


def test_a_client_is_told_that_the_certificate_is_another_one(
    new_daemon: Callable[[], Daemon], tmp_path: Path
) -> None:
    daemon = new_daemon()
    assert up(daemon, "--address", "127.0.0.1:0", "--tls").returncode == 0
    client = elsewhere(daemon, tmp_path / "client", context_of(daemon))
    assert "2.12" in client.pachctl("version")
    daemon.started()
    daemon.stop(signal.SIGTERM)
    shutil.rmtree(daemon.root / "tls")
    place = context_of(daemon)["pachd_address"].removeprefix("grpcs://")
    assert up(daemon, "--address", place, "--tls").returncode == 0
    daemon.started()
    assert complaint(client) == (
        f"pachctl: the certificate of grpcs://{place} isn't the one known to "
        f"{client.env['PACH_CONFIG']}, context pachlocal: it was made anew since, or another "
        "server answers; this pachlocal's user gets its context by `pachlocal context`, and "
        "others from that user\n"
    )


def test_a_client_is_told_why_tls_isnt_spoken(
    secure: Daemon, new_daemon: Callable[[str], Daemon], tmp_path: Path
) -> None:
    context = context_of(secure)
    port = context["pachd_address"].split(":")[-1]
    context["pachd_address"] = address = f"grpcs://127.0.0.5:{port}"
    assert complaint(elsewhere(secure, tmp_path / "host", context)) == (
        f"pachctl: the certificate of {address} is for another host, so it may be another server\n"
    )
    del context["server_cas"]
    context["pachd_address"] = address = f"grpcs://127.0.0.1:{port}"
    client = elsewhere(secure, tmp_path / "unknown", context)
    assert "isn't signed by an authority that is known here" in complaint(client)
    plain = new_daemon("plain")
    plain.start()
    context["pachd_address"] = address = f"grpcs://{plain.address}"
    assert complaint(elsewhere(plain, tmp_path / "no tls", context)) == (
        f"pachctl: the server at {address} doesn't speak TLS: its address begins with grpc://\n"
    )


def test_pachctl_takes_the_context_and_at_home_needs_none(secure: Daemon) -> None:
    assert "2.12" in secure.pachctl("version")
    at_home = Daemon(secure.root)
    at_home.env["PACHD_ADDRESS"] = f"127.0.0.1:{secure.address.split(':')[-1]}"
    assert "2.12" in at_home.pachctl("version")  # by the Unix socket


def test_a_certificate_and_its_token_stay_with_the_store(
    new_daemon: Callable[[], Daemon],
) -> None:
    daemon = new_daemon()
    contexts = []
    for command in ("up", "up", "reset"):
        if command == "up":
            assert up(daemon, "--address", "127.0.0.1:0", "--tls").returncode == 0
        else:
            result = daemon.run("pachlocal", "reset", "--yes", "--root", str(daemon.root))
            assert result.returncode == 0, result.stderr
        contexts.append(context_of(daemon))
        if command == "up" and len(contexts) == 1:
            daemon.stop(signal.SIGTERM)
    kept = [(context["server_cas"], context["session_token"]) for context in contexts]
    assert kept[0] == kept[1] == kept[2]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (daemon.root / "tls").iterdir()} == {
        0o600
    }


def test_workers_programs_reach_a_daemon_that_has_tls(secure: Daemon) -> None:
    spec = {
        "pipeline": {"name": "ask"},
        "input": {"pfs": {"repo": "data", "glob": "/"}},
        "transform": {"image": "none", "cmd": ["sh"], "stdin": ["pachctl version >/pfs/out/it"]},
    }
    secure.pachctl("create", "repo", "data")
    secure.pachctl("put", "file", "data@master:/file", stdin="")
    secure.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))
    secure.pachctl("wait", "commit", "ask@master")
    assert "2.12" in secure.pachctl("get", "file", "ask@master:/it")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_other_machines_are_let_in_only_when_asked(
    address: str, new_daemon: Callable[[], Daemon]
) -> None:
    daemon = new_daemon()
    result = up(daemon, "--address", address)
    assert result.returncode == 1
    assert result.stderr == (
        f"pachlocal: other machines reach {address}: use --tls, which requires a token, "
        "or --insecure, which lets in everybody\n"
    )


def test_insecure_lets_in_everybody_and_says_so_each_time(
    new_daemon: Callable[[], Daemon],
) -> None:
    daemon = new_daemon()
    warning = "pachlocal: whoever reaches 0.0.0.0:0 can run commands as you and read your files\n"
    for _ in range(2):
        assert up(daemon, "--address", "0.0.0.0:0", "--insecure").stderr == warning
        daemon.started()
        assert stranger("ask_all", daemon.address) == ["OK"]
        daemon.stop()


def test_tls_and_insecure_exclude_each_other(new_daemon: Callable[[], Daemon]) -> None:
    result = up(new_daemon(), "--tls", "--insecure")
    assert result.returncode == 2
    assert "exclude each other" in result.stderr
