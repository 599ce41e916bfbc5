"""A Docker engine of the test's own, which may be stopped, killed and frozen."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.busybox import Images, missing

_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 60.0


class Dockerd:
    """It shares nothing with the machine's engine: neither data, nor sockets, nor the bridge."""

    def __init__(self) -> None:
        # Sockets lie in it, whose paths must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="pachlocal-dockerd-"))
        self.host = f"unix://{self._folder}/socket"
        self._bridge = f"pl{uuid.uuid4().hex[:8]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; nothing happens if it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self._make_bridge()
        (self._folder / "pid").unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--host={self.host}",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._folder}/exec",
                    f"--pidfile={self._folder}/pid",
                    # With `none` it would remove the bridge of the machine's own engine.
                    f"--bridge={self._bridge}",
                    "--iptables=false",
                    "--ip-forward=false",
                    "--ip-masq=false",
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            said = (self._folder / "log").read_text()
            assert self._process.poll() is None, f"dockerd ended:\n{said[-3000:]}"
            assert time.monotonic() < deadline, f"dockerd is not ready:\n{said[-3000:]}"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by a signal, and waits for that."""
        assert self._process is not None
        containerd = self._folder / "exec" / "containerd" / "containerd.pid"
        pid = int(containerd.read_text())
        self._process.send_signal(number)
        self._process.wait(_STOP_LIMIT_S)
        # It ends with dockerd, but later; the next dockerd would take it for its own.
        deadline = time.monotonic() + _STOP_LIMIT_S
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        containerd.unlink(missing_ok=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Lets it take calls, and answer none, while the block lasts."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def images(self) -> Images:
        """Returns what makes images in it; without network images are of this machine only."""
        return Images(self.host)

    def end(self) -> None:
        """Leaves nothing of it."""
        self.start()
        listed = self._docker("ps", "--all", "--quiet").split()
        if listed:
            self._docker("rm", "--force", *listed)
        self.stop()
        subprocess.run(["ip", "link", "delete", self._bridge], check=True)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted(mounts, reverse=True):
            if place.startswith(str(self._folder)):
                subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(self._folder)

    def _make_bridge(self) -> None:
        if Path(f"/sys/class/net/{self._bridge}").exists():
            return
        # A network for tests between devices, RFC 2544; Docker's own is 172.17.0.0/16.
        address = f"198.18.{os.getpid() % 250}.1/24"
        for command in (
            ("link", "add", self._bridge, "type", "bridge"),
            ("address", "add", address, "dev", self._bridge),
            ("link", "set", self._bridge, "up"),
        ):
            subprocess.run(["ip", *command], check=True)

    def _answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            self._docker("version")
            return True
        return False

    def _docker(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker", "--host", self.host, *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout


@contextmanager
def dockerd() -> Iterator[Dockerd]:
    """Runs one for as long as the block lasts; skips the test where that isn't possible."""
    if os.geteuid() != 0:
        missing("another dockerd can be started by root only")
    for program in ("dockerd", "docker", "ip"):
        if shutil.which(program) is None:
            missing(f"no {program} on PATH")
    engine = Dockerd()
    try:
        engine.start()
        yield engine
    finally:
        engine.end()
