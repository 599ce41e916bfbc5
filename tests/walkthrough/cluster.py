"""`make cluster-check`: the walkthrough on any Pachyderm, compared with one on pachlocal."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import uuid
from pathlib import Path

from .machine import Daemon
from .steps import STEPS, files
from .walk import DifferenceError, Walk

_OUTPUTS = ("inference", "model")


class Cluster(Daemon):
    """A server that somebody else starts and stops; what is made is in a project of its own."""

    def __init__(self, address: str, folder: Path, pachctl: str) -> None:
        super().__init__(folder)
        self.project = f"iris-check-{uuid.uuid4().hex[:8]}"
        if pachctl:
            programs = folder / "bin"
            programs.mkdir()
            (programs / "pachctl").symlink_to(Path(pachctl).resolve())
            self.env["PATH"] = f"{programs}:{self.env['PATH']}"
        context = {**_context_of(address), "pachd_address": address, "project": self.project}
        contexts = {"active_context": "check", "contexts": {"check": context}}
        (folder / "config.json").write_text(
            json.dumps({"user_id": uuid.uuid4().hex, "v2": contexts})
        )
        self.env["PACHD_ADDRESS"] = address

    @property
    def up_arguments(self) -> tuple[str, ...]:
        return ()

    def end(self) -> None:
        """Deletes the project, and leaves the server running."""
        for kind in ("pipeline", "repo"):  # of this project alone, whatever --all means
            everything = ("delete", kind, "--all", "--project", self.project)
            self.run("pachctl", *everything, stdin="y\n")
        result = self.run("pachctl", "delete", "project", self.project, stdin="y\n")
        if result.returncode:
            print(f"project {self.project} is left: {result.stderr.strip()}", file=sys.stderr)


def main() -> int:
    """Runs both walks, and prints a line for each file that they made."""
    parser = argparse.ArgumentParser(prog="make cluster-check", description=__doc__)
    parser.add_argument("address", help="of the cluster: grpc://HOST:PORT")
    parser.add_argument("--pachctl", default="", help="the program that types the commands")
    parser.add_argument("--registry", default="", help="where the cluster's images are")
    parser.add_argument("--runtime", default="process", help="of pachlocal: process or docker")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pachlocal-check-") as name:
        try:
            there, here = Path(name, "there"), Path(name, "here")
            there.mkdir()
            here.mkdir()
            cluster = Cluster(given.address, there, given.pachctl)
            created = cluster.run("pachctl", "create", "project", cluster.project)
            if created.returncode:
                raise DifferenceError(created.stderr.strip())
            walk = Walk(cluster, there)
            if given.registry:
                _take_images_from(given.registry, cluster.place)
            theirs = _made(walk)
            ours = _made(Walk(Daemon(here / "store", "--runtime", given.runtime), here))
        except DifferenceError as error:
            print(f"cluster-check: {error}", file=sys.stderr)
            return 1
    return _compared(ours, theirs)


def _take_images_from(registry: str, folder: Path) -> None:
    """Names a registry in the specs of a folder."""
    for spec in folder.glob("*.json"):
        spec.write_text(spec.read_text().replace('"pachyderm/', f'"{registry}/'))


def _made(walk: Walk) -> dict[str, str]:
    """Goes through the steps; returns the hash of each file of each output commit."""
    try:
        for step in STEPS:
            walk.say(f"\n=== Step {step.number} of {len(STEPS)}: {step.title}\n")
            step.do(walk)
        made = {}
        for repo in _OUTPUTS:
            for age, info in enumerate(walk.raw(f"list commit {repo}@master")):
                commit = f"{repo}@{info['commit']['id']}"
                for path in files(walk, commit):
                    content = walk.quiet(f"get file {commit}:{path}")
                    made[f"{repo}{path}, commit {age} before the newest"] = _hash(content)
        return made
    finally:
        walk.daemon.end()


def _compared(ours: dict[str, str], theirs: dict[str, str]) -> int:
    """Prints what is equal and what isn't; models differ with the versions of libraries."""
    print()
    for name in sorted(ours | theirs):
        one, other = ours.get(name, "missing"), theirs.get(name, "missing")
        print(f"{'equal' if one == other else 'DIFFERENT':10} {name}  {one[:12]} {other[:12]}")
    return int(ours != theirs)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _context_of(address: str) -> dict[str, str]:
    """Returns what the user's pachctl knows of an address: its token and certificates."""
    place = Path(os.environ.get("PACH_CONFIG", Path.home() / ".pachyderm" / "config.json"))
    if not place.exists():
        return {}
    contexts = json.loads(place.read_text()).get("v2", {}).get("contexts", {})
    return next((it for it in contexts.values() if it.get("pachd_address") == address), {})


if __name__ == "__main__":
    sys.exit(main())
