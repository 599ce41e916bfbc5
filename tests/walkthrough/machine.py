"""A daemon on a store of its own, and commands run as a user of it would."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180.0  # for one command; what takes longer hangs
ANY_PORT = "127.0.0.1:0"


def environment(home: Path) -> dict[str, str]:
    """Returns variables for commands that see this checkout's programs and nobody's settings."""
    settings = ("PACHD_ADDRESS", "PACHLOCAL_ROOT", "PACH_CONFIG", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in settings}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return {
        **kept,
        "PATH": programs,
        "PACH_CONFIG": str(home / "config.json"),
        "PACHLOCAL_NO_CONSOLE": "1",  # hundreds of daemons are started, and few need the page
    }


def workshop_copy(folder: Path) -> Path:
    """Returns a new folder in which the workshop's specs can be edited; the rest is linked."""
    folder.mkdir(parents=True)
    for name in ("data", "docs", "python", "rstats", "julia"):
        (folder / name).symlink_to(ROOT / name)
    for file in (*ROOT.glob("*.json"), ROOT / "compose.yaml"):
        shutil.copy(file, folder)
    return folder


def second_language() -> str:
    """Returns the language, beside Python, whose stages can run here; empty if there is none."""
    probe = 'quit(status = !all(sapply(c("MASS", "e1071"), requireNamespace, quietly = TRUE)))'
    if shutil.which("Rscript") is None:
        return ""
    asked = subprocess.run(["Rscript", "-e", probe], capture_output=True, timeout=TIMEOUT_S)
    return "" if asked.returncode else "rstats"


class Daemon:
    """A daemon that can be stopped, killed and started again; `end` leaves nothing running.

    Attributes:
        root: Where its store is.
        env: What its clients' commands see.
        place: The folder in which commands are typed.
    """

    def __init__(self, root: Path, *options: str, place: Path = ROOT) -> None:
        self.root = root
        self.place = place
        self._options = options
        self.env = environment(root)
        self._address = ANY_PORT

    @property
    def note(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        note: dict[str, Any] = json.loads((self.root / "daemon.json").read_text())
        return note

    @property
    def log(self) -> str:
        path = self.root / "daemon.log"
        return path.read_text() if path.exists() else ""

    @property
    def address(self) -> str:
        """Where it answers, as gRPC takes it."""
        return self._address

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, quietly."""
        return subprocess.run(
            command,
            cwd=self.place,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def pachctl(self, *arguments: str, stdin: str = "") -> str:
        """Runs pachctl, which must succeed; returns what it printed."""
        result = self.run("pachctl", *arguments, stdin=stdin)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def start(self) -> None:
        """Starts it; from the second time on at the address that it had."""
        result = self.run("pachlocal", *self.up_arguments)
        assert result.returncode == 0, result.stderr
        self.started()

    @property
    def up_arguments(self) -> tuple[str, ...]:
        return ("up", "--root", str(self.root), "--address", self._address, *self._options)

    def started(self) -> None:
        """Takes note of where it answers."""
        self.env["PACHD_ADDRESS"] = self.note["address"]
        self._address = self.note["address"].removeprefix("grpc://")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by a signal, and waits until it has ended."""
        os.kill(self.note["pid"], number)
        self._wait_for_end()

    def restart(self, number: signal.Signals) -> None:
        self.stop(number)
        self.start()

    def end(self) -> None:
        """Leaves nothing running, however things stand."""
        if self.run("pachlocal", "down", "--root", str(self.root)).returncode and self.runs():
            self.stop(signal.SIGKILL)

    def runs(self) -> bool:
        """Whether it runs."""
        try:
            with (self.root / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _wait_for_end(self) -> None:
        with (self.root / "lock").open() as lock:  # the kernel frees it when its holder is dead
            fcntl.flock(lock, fcntl.LOCK_SH)
