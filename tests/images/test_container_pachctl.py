"""Programs in a container whose image has no pachctl find one, as on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from images.docker_machine import Machine

pytestmark = pytest.mark.slow

busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")

BATCH = """
while true; do
  pachctl next datum || exit 1
  cat /pfs/data/* > /pfs/out/$(ls /pfs/data)
done
"""
CALLS = """
echo one > /tmp/one
pachctl put file other@master -f /tmp/one
echo two | pachctl put file other@master:/two -f -
echo three | pachctl put file other@master:/three
pachctl list file other@master
pachctl get file other@master:/one -o /pfs/out/one
pachctl get file other@master:/none || echo "code $?"
pachctl inspect repo other || echo "code $?"
pachctl put file other@master:/four -f /nowhere || echo "code $?"
pachctl get file "other@master:/two --output=/tmp/x" || echo "code $?"
"""


@pytest.fixture(scope="module")
def images() -> Iterator[Any]:
    with busybox.images() as made:
        yield made


@pytest.fixture(params=["", "USER 1234:1234"], ids=["root", "a user"])
def machine(request: Any, tmp_path: Path, images: Any) -> Iterator[Machine]:
    machine = Machine(tmp_path / "store", images, str(images.make(*filter(None, [request.param]))))
    machine.start()
    yield machine
    machine.daemon.end()
    print(machine.daemon.log)


def test_datums_are_batched_and_files_put(machine: Machine) -> None:
    for name in "bc":
        machine.daemon.pachctl("put", "file", f"data@master:{name}", stdin=f"{name}\n")
    machine.make(
        "create",
        ["sh"],
        transform={
            "image": machine.image,
            "cmd": ["sh"],
            "stdin": BATCH.splitlines(),
            "datum_batching": True,
        },
        input={"pfs": {"repo": "data", "glob": "/*"}},
    )
    job = machine.job()
    assert (job["state"], job["data_processed"]) == ("JOB_SUCCESS", "3"), job
    assert machine.daemon.pachctl("get", "file", "p@master:c") == "c\n"

    machine.daemon.pachctl("delete", "pipeline", "p")
    machine.daemon.pachctl("create", "repo", "other")
    machine.make(
        "create",
        ["sh"],
        transform={"image": machine.image, "cmd": ["sh"], "stdin": CALLS.splitlines()},
    )
    job = machine.job()
    assert job["state"] == "JOB_SUCCESS", job
    assert machine.daemon.pachctl("get", "file", "p@master:one") == "one\n"
    for name in ("two", "three"):
        assert machine.daemon.pachctl("get", "file", f"other@master:/{name}") == f"{name}\n"
    logs = machine.daemon.pachctl("logs", "--pipeline", "p").splitlines()
    print("\n".join(logs))
    assert logs.count("code 1") == 4
    assert any("here it can next datum" in line for line in logs)
    assert "pachctl: /nowhere: no such file" in logs
