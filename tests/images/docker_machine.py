"""A daemon with `--runtime docker`, and one pipeline."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from walkthrough.machine import Daemon

DEADLINE_S = 90.0
GOOD = ["cp", "/pfs/data/a", "/pfs/out/b"]


class DockerDaemon(Daemon):
    @property
    def up_arguments(self) -> tuple[str, ...]:
        return (*super().up_arguments, "--runtime", "docker")


class Machine:
    """A daemon with one repo `data` that holds one file, and an image."""

    def __init__(self, root: Path, images: Any, image: str) -> None:
        self.daemon = DockerDaemon(root)
        self.image = image
        self._images = images

    def start(self) -> None:
        self.daemon.start()
        self.daemon.pachctl("create", "repo", "data")
        self.daemon.pachctl("put", "file", "data@master:a", stdin="content\n")

    def make(self, verb: str, cmd: list[str], image: str = "", **parts: object) -> None:
        spec = {
            "pipeline": {"name": "p"},
            "transform": {"image": image or self.image, "cmd": cmd},
            "input": {"pfs": {"repo": "data", "glob": "/"}},
            "datum_tries": "1",
            **parts,
        }
        self.daemon.pachctl(verb, "pipeline", "-f", "-", stdin=json.dumps(spec))

    def job(self) -> dict[str, Any]:
        """Waits for the newest job, and returns it."""
        listed = self.daemon.pachctl("list", "job", "--pipeline", "p", "--raw")
        newest, _ = json.JSONDecoder().raw_decode(listed)
        name = f"p@{newest['job']['id']}"
        self.daemon.run("pachctl", "wait", "job", name)
        return dict(json.loads(self.daemon.pachctl("inspect", "job", name, "--raw")))

    def pipeline(self) -> dict[str, Any]:
        return dict(json.loads(self.daemon.pachctl("inspect", "pipeline", "p", "--raw")))

    def wait_for(self, state: str) -> str:
        """Waits until the pipeline is in a state; returns the reason that it gives."""
        pipeline = self.wait_until(lambda it: it["state"] == state)
        return str(pipeline.get("reason", ""))

    def wait_until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits until something holds for the pipeline, and returns it."""
        deadline = time.monotonic() + DEADLINE_S
        while not holds(pipeline := self.pipeline()):
            assert time.monotonic() < deadline, pipeline
            time.sleep(0.05)
        return pipeline

    def containers(self) -> list[dict[str, Any]]:
        filters = {"label": f"io.pachlocal.store={self.daemon.root / 'scratch'}"}
        return list(self._images.api.containers(all=True, filters=filters))
