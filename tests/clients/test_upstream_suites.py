"""The suites by which the published clients are tested against Pachyderm, run against pachlocal.

They are not part of this repository: PACHYDERM_SOURCES names a folder that holds checkouts of
https://github.com/pachyderm/python-pachyderm and https://github.com/pachyderm/pachyderm by these
names. Their tests run as they are, on the clients as they were published.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from walkthrough.machine import Daemon

from .environments import python_of

_FOLDER = Path(__file__).parent
_TEST_TIMEOUT_S = 60
_TIMEOUT_S = 900

_INTERNET = "the server fetches a page from the internet"
_FIXED_PORT = "dials localhost:30650, whoever answers there"
_CHUNKS = "the client reads chunks from an object store next to the server"


@dataclass(frozen=True)
class Suite:
    """A client's tests.

    Attributes:
        client: Its name, and that of the folder with its lock file.
        tests: Where its tests are in the sources.
        left_out: What can't run here, and why. What needs a licence or authorization leaves itself
            out: these tests are skipped unless the environment has a code for them.
    """

    client: str
    tests: str
    left_out: dict[str, str]


SUITES = [
    Suite(
        "python-pachyderm",
        "python-pachyderm/tests",
        {
            "test_client.py::test_client_new_from_config": _FIXED_PORT,
            "test_pfs.py::test_put_file_url": _INTERNET,
            "test_pfs.py::test_put_file_empty": _INTERNET,
            "test_pfs.py::test_put_file_atomic": _INTERNET,
        },
    ),
    Suite(
        "pachyderm-sdk",
        "pachyderm/python-sdk/tests",
        {
            "test_pfs.py::TestModifyFile::test_put_file_url": _INTERNET,
            "test_cdr.py": _CHUNKS,
            "test_storage.py": _CHUNKS,
        },
    ),
]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.client)
def test_a_clients_own_suite_passes(
    suite: Suite, new_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    tests = _sources(suite)
    python = python_of(f"{suite.client}-suite", _FOLDER / suite.client / "suite.txt")
    # A copy: beside the tests lies the client's code, and it is the published one that is tested.
    shutil.copytree(tests, tmp_path / "tests")
    daemon = new_daemon("store", "--env", "BASH_ENV")
    # Some of the tests' pipelines import the client, which their image would hold.
    profile = tmp_path / "profile"
    profile.write_text(f"PATH={shlex.quote(str(python.parent))}:$PATH\n")
    daemon.env["BASH_ENV"] = str(profile)
    daemon.start()
    left_out = [f"--deselect=tests/{name}" for name in suite.left_out]
    result = subprocess.run(
        [python, "-m", "pytest", "tests", f"--timeout={_TEST_TIMEOUT_S}", "-q", *left_out],
        cwd=tmp_path,
        env=_environment(daemon),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stderr


def _sources(suite: Suite) -> Path:
    root = os.environ.get("PACHYDERM_SOURCES")
    if root is None:
        pytest.skip("PACHYDERM_SOURCES names no folder with the sources of the clients")
    tests = Path(root, suite.tests)
    if not tests.is_dir():
        pytest.skip(f"there is no {suite.tests} in PACHYDERM_SOURCES, which is {root}")
    return tests


def _environment(daemon: Daemon) -> dict[str, str]:
    """Returns variables that lead either client to a server."""
    host, port = daemon.address.split(":")
    context = {"pachd_address": daemon.env["PACHD_ADDRESS"]}
    # In the place where the daemon's own programs look for it too.
    Path(daemon.env["PACH_CONFIG"]).write_text(
        json.dumps({"user_id": "", "v2": {"active_context": "it", "contexts": {"it": context}}})
    )
    return {
        **os.environ,
        "PACH_CONFIG": daemon.env["PACH_CONFIG"],
        # For tests of batching; any will do where images are names and no more.
        "DATUM_BATCHING_IMAGE": "any",
        "PYTHON_SDK_TESTING_IMAGE": "any",
        "PACH_PYTHON_TEST_HOST": host,
        "PACH_PYTHON_TEST_PORT": port,
    }
