"""Datums in containers: what Docker adds to one."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.harness import Measurement, client, daemon, note, run, seconds
from bench.pipelines import create, duration, put

FILES = 200
EXECS = 20
IMAGE = "pachlocal-bench:busybox"
APPLETS = ("sh", "cat", "cp", "setsid", "sleep", "true")


def measure() -> Iterator[Measurement]:
    """Compare with the same datums as processes of the machine, and with Docker's own exec."""
    busybox = shutil.which("busybox")
    if busybox is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        note("Docker or a static busybox (Debian: busybox-static) is not there")
        return
    with _image(Path(busybox)):
        note(f"copying {FILES} files, a datum each")
        apart, plain = _job("docker"), _job("process")
        yield Measurement(
            "what a container adds to a datum", (apart - plain) / FILES * 1e3, 20, "goal", "ms", 1
        )
        yield Measurement("200 datums in a container", apart, plain, "processes", "s", 3)
        with _container() as name:
            each = seconds(lambda: [run("docker", "exec", name, "true") for _ in range(EXECS)])
        yield Measurement(
            "a datum in a container", apart / FILES, each / EXECS, "docker exec", "s", 0.5
        )


def _job(runtime: str) -> float:
    """Return how long a job of small datums takes in one worker that is there (s)."""
    with daemon("--runtime", runtime) as server, client(server) as stubs:
        put(stubs, "first", _files(1))
        put(stubs, "data", _files(FILES))
        duration(stubs, create(stubs, _spec("warm-up", "first")))
        return duration(stubs, create(stubs, _spec("copy", "data")))


def _files(number: int) -> list[tuple[str, bytes]]:
    return [(f"f{index:03d}", b"%d" % index) for index in range(number)]


def _spec(name: str, repo: str) -> dict[str, Any]:
    return {
        "pipeline": {"name": name},
        "transform": {"image": IMAGE, "cmd": ["cp", "-r", f"/pfs/{repo}/.", "/pfs/out"]},
        "input": {"pfs": {"repo": repo, "glob": "/*"}},
    }


@contextmanager
def _image(busybox: Path) -> Iterator[None]:
    """Make an image of a busybox, which needs no registry; remove it in the end."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    command = ["docker", "import", "--change", "ENV PATH=/bin", "-", IMAGE]
    subprocess.run(command, input=data.getvalue(), check=True, capture_output=True)
    try:
        yield
    finally:
        run("docker", "rmi", "--force", IMAGE)


@contextmanager
def _container() -> Iterator[str]:
    name = run("docker", "run", "--detach", "--rm", IMAGE, "sleep", "600").strip()
    try:
        yield name
    finally:
        run("docker", "rm", "--force", name)
