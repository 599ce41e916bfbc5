"""The published clients are let in as they are: by their user, by the token, over TLS."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from .environments import python_of

_FOLDER = Path(__file__).parent
_STRANGER = 4321
_TIMEOUT_S = 60

# By the configuration file; at an address, as a program in a worker does.
_PROGRAMS = {
    "python-pachyderm": (
        "python_pachyderm",
        "list(python_pachyderm.Client().list_repo())",
        "list(python_pachyderm.Client.new_in_cluster().list_repo())",
    ),
    "pachyderm-sdk": (
        "pachyderm_sdk",
        "list(pachyderm_sdk.Client.from_config().pfs.list_repo())",
        "list(pachyderm_sdk.Client.new_in_cluster().pfs.list_repo())",
    ),
}


class Client:
    def __init__(self, name: str) -> None:
        self._python = python_of(name, _FOLDER / name / "requirements.txt")
        self._module, self.by_config, self.at_address = _PROGRAMS[name]

    def ask(self, call: str, uid: int | None = None, **env: str) -> str:
        """Ask for the repos; return what is printed, be it an error.

        Another user begins after all is imported.

        Args:
            call: How.
            uid: As whom; None for ourselves.
            env: More variables.
        """
        lines = [f"import os, {self._module}"]
        if uid is not None:
            if os.geteuid() != 0:
                pytest.skip("only root can be another user")
            lines.append(
                f"os.setgroups([]); os.setresgid(*[{uid}] * 3); os.setresuid(*[{uid}] * 3)"
            )
        lines.append(f"print('answer', {call})")
        done = subprocess.run(
            [self._python, "-c", "\n".join(lines)],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        return done.stdout + done.stderr


@pytest.fixture(params=_PROGRAMS)
def client(request: pytest.FixtureRequest) -> Client:
    return Client(request.param)


def context_of(daemon: Daemon) -> dict[str, str]:
    config = json.loads((daemon.root / "pachctl.json").read_text())
    return dict(config["v2"]["contexts"]["pachlocal"])


def test_a_client_in_the_place_of_a_worker_needs_its_user_or_the_token(
    client: Client, daemon: Daemon
) -> None:
    host, port = daemon.address.split(":")
    place = {"PACHD_PEER_SERVICE_HOST": host, "PACHD_PEER_SERVICE_PORT": port}
    token = {"PACH_PYTHON_AUTH_TOKEN": context_of(daemon)["session_token"]}
    assert "answer []" in client.ask(client.at_address, **place)
    assert "no authentication token (try logging in)" in client.ask(
        client.at_address, _STRANGER, **place
    )
    assert "answer []" in client.ask(client.at_address, _STRANGER, **place, **token)


def test_a_client_takes_all_from_the_configuration(
    client: Client, daemon: Daemon, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="needs the extra tls")
    config = {"PACH_CONFIG": str(daemon.root / "pachctl.json")}
    assert "answer []" in client.ask(client.by_config, **config)
    daemon.stop()
    arguments = ("--root", str(daemon.root), "--address", "0.0.0.0:0", "--tls")
    result = daemon.run("pachlocal", "up", *arguments)
    assert result.returncode == 0, result.stderr
    assert context_of(daemon)["pachd_address"].startswith("grpcs://")
    assert "answer []" in client.ask(client.by_config, **config)
    # The same without the token.
    content = json.loads((daemon.root / "pachctl.json").read_text())
    del content["v2"]["contexts"]["pachlocal"]["session_token"]
    elsewhere = tmp_path / "config.json"
    elsewhere.write_text(json.dumps(content))
    said = client.ask(client.by_config, PACH_CONFIG=str(elsewhere))
    assert "no authentication token (try logging in)" in said
