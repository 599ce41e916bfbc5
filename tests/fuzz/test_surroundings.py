"""Programs whose streams, folder or settings are not as they should be: one line says so."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from walkthrough.machine import TIMEOUT_S, Daemon

pytestmark = pytest.mark.slow

DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    daemon = Daemon(tmp_path_factory.mktemp("surroundings") / "store")
    daemon.env["PACHLOCAL_ROOT"] = str(daemon.root)
    daemon.start()
    daemon.pachctl("create", "repo", "data")
    daemon.pachctl("put", "file", "data@master:/a", "-f", "LICENSE")
    yield daemon
    daemon.end()


def shell(
    daemon: Daemon, line: str, *, cwd: Path | None = None, **env: str | None
) -> subprocess.CompletedProcess[str]:
    changed = {name: value for name, value in {**daemon.env, **env}.items() if value is not None}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=cwd or daemon.root,
        env=changed,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=TIMEOUT_S,
    )


def fails(result: subprocess.CompletedProcess[str], words: str = "") -> None:
    assert result.returncode not in (0, 255), result
    assert words in result.stderr
    *before, line = result.stderr.removesuffix("\n").split("\n")
    assert line.isprintable()
    assert line.startswith(("pachctl: ", "pachlocal: ", "pachlocal lint: ", "Go on? "))
    assert before == [] or before[0].startswith(("All data on ", "Usage: "))
    assert "fault of the program" not in line


@pytest.mark.parametrize(
    "command",
    [
        "pachctl list repo",
        "pachctl list repo --raw",
        "pachctl get file data@master:/a",
        "pachctl --help",
        "pachctl version",
        "pachlocal status",
        "pachlocal --help",
        f"pachlocal lint {Path(__file__).parents[2]}/python_train.json",
    ],
)
@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
def test_output_that_can_not_be_written(daemon: Daemon, command: str, stdout: str) -> None:
    words = "Bad file descriptor" if stdout == ">&-" else "No space left on device"
    fails(shell(daemon, f"{command} {stdout}"), words)


@pytest.mark.parametrize("command", ["pachctl list repo", "pachlocal status", "pachctl --help"])
def test_nobody_reads_on(daemon: Daemon, command: str) -> None:
    result = shell(daemon, f"set -o pipefail; {{ sleep 0.01; {command}; }} | true")
    assert result.stderr == ""
    assert result.returncode in (0, 141)


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_nobody_can_be_told(daemon: Daemon, stream: str) -> None:
    assert shell(daemon, f"pachctl inspect repo none {stream}").returncode == 1
    assert shell(daemon, f"pachctl list repo {stream}").returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        "pachctl put file data@master:/b -f -",
        "pachctl put file data@master -i -",
        "pachctl create pipeline -f -",
        "pachctl create secret -f -",
        "pachctl delete all",
        "pachlocal reset",
        "pachlocal lint -",
    ],
)
def test_no_standard_input(daemon: Daemon, command: str) -> None:
    result = shell(daemon, f"{command} <&-")
    if command == "pachlocal lint -":
        assert result.stdout == "error: standard input: Bad file descriptor\n"
        assert result.returncode == 1
    else:
        fails(result)
    assert daemon.pachctl("list", "file", "data@master").count("\n") == 2


def test_a_question_that_nobody_answers(daemon: Daemon) -> None:
    fails(shell(daemon, "pachlocal reset </dev/null"), "nothing was done")
    assert "Nothing was deleted." in shell(daemon, "pachctl delete all </dev/null").stdout


@pytest.mark.parametrize("name", ["create pipeline", "update pipeline", "create secret"])
def test_a_file_without_end(daemon: Daemon, name: str) -> None:
    fails(shell(daemon, f"ulimit -v 8000000; pachctl {name} -f /dev/zero"), "larger than 64 MiB")


@pytest.mark.parametrize(
    "content",
    [
        DEEP,
        "\udcff\udcfe",
        "{",
        "[]",
        "5",
        '{"v2": 5}',
        '{"v2": {"contexts": []}}',
        '{"v2": {"active_context": 5}}',
        '{"v2": {"active_context": "a", "contexts": {"a": 5}}}',
        '{"v2": {"active_context": "a", "contexts": {"a": {"pachd_address": []}}}}',
        '{"v2": {"active_context": "a", "contexts": {"a": {"pachd_address": "::"}}}}',
        '{"v2": {"active_context": "a", "contexts": {"a": {"port_forwarders": {"pachd": "x"}}}}}',
        '{"v2": {"active_context": "a", "contexts": {"a": {"session_token": "\\n"}}}}',
        '{"v2": {"active_context": "a", "contexts": {"a": {"server_cas": "?"}}}}',
        '{"v2": {"active_context": "a", "contexts": {"a": {"project": {"a": 1}}}}}',
        '{"v2": {"active_context": "\\ud800", "contexts": {"\\ud800": {}}}}',
    ],
    ids=lambda text: ascii(text[:60]),
)
def test_settings_that_can_not_be_right(daemon: Daemon, content: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(content, errors="surrogateescape")
    if '"server_cas"' in content or '"session_token"' in content or '"project"' in content:
        address = daemon.env["PACHD_ADDRESS"].replace("grpc:", "grpcs:")
    else:
        address = None
    result = shell(daemon, "pachctl list repo", PACH_CONFIG=str(config), PACHD_ADDRESS=address)
    if result.returncode != 0:  # an empty one says nothing, and the default may answer
        fails(result)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("path", ["/", "/dev/full", "/dev/null/x", "/proc/self/mem", "\udcff/x"])
def test_settings_that_can_not_be_read(daemon: Daemon, path: str) -> None:
    for variable in ("PACH_CONFIG", "PACHCTL_STATE"):
        result = shell(daemon, "pachctl start transaction", PACHD_ADDRESS=None, **{variable: path})
        if result.returncode != 0:
            fails(result)
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "address",
    ["\udcff", "::::", "http://x", "127.0.0.1:99999", "127.0.0.1:-1", "a" * 300, "\n", "é"],
)
def test_an_address_that_is_none(daemon: Daemon, address: str) -> None:
    fails(shell(daemon, "pachctl list repo", PACHD_ADDRESS=address))


@pytest.mark.parametrize(
    "address", ["\udcff", "::::", "x:99999", "127.0.0.1", "", "1.2.3.4:1", "é:1"]
)
def test_an_address_that_can_not_be_listened_on(
    daemon: Daemon, address: str, tmp_path: Path
) -> None:
    result = shell(daemon, f"pachlocal up --root {tmp_path} --address {shlex.quote(address)}")
    fails(result)


@pytest.mark.parametrize("command", ["pachctl list repo", "pachlocal status", "pachlocal doctor"])
@pytest.mark.parametrize("home", [None, "", "/none", "\udcff"])
def test_no_home(daemon: Daemon, command: str, home: str | None) -> None:
    result = shell(daemon, command, HOME=home, PACH_CONFIG=None, XDG_DATA_HOME=None)
    assert result.returncode == 0 or command == "pachlocal doctor"
    assert result.stderr == ""


def test_a_folder_that_is_gone(daemon: Daemon, tmp_path: Path) -> None:
    folder = shlex.quote(str(tmp_path / "gone"))
    for command in ("pachctl list repo", "pachlocal status", "pachctl get file data@master:/a"):
        result = shell(daemon, f"mkdir {folder}; cd {folder}; rmdir {folder}; {command}")
        assert result.returncode == 0, result.stderr
    for command in ("pachctl get file data@master:/a -o x", "pachlocal up --root x"):
        fails(shell(daemon, f"mkdir {folder}; cd {folder}; rmdir {folder}; {command}"))
    store = shlex.quote(str(tmp_path / "other"))
    command = f"pachlocal up --root {store} --address 127.0.0.1:0 && pachlocal down --root {store}"
    result = shell(daemon, f"mkdir {folder}; cd {folder}; rmdir {folder}; {command}")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "command",
    [
        "pachctl get file data@master:/a -o x",
        "pachctl get file data@master:/ -r -o x",
        "pachlocal export data -o x",
        "pachlocal up --root x",
        "pachctl get-file data master / -r -o x",
    ],
)
def test_a_folder_that_can_not_be_written(daemon: Daemon, command: str) -> None:
    assert not os.access("/proc/self/x", os.W_OK)
    fails(shell(daemon, command, cwd=Path("/proc/self")))
