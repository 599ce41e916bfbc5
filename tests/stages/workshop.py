"""The stages, and how to run one: by the command that its pipeline spec gives."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
MODEL_FILES = {"python": "model.pkl", "rstats": "model.rda", "julia": "model.jld2"}


class Stage(NamedTuple):
    """One image's code; `command` still holds the paths that a container sees."""

    language: str
    kind: str  # "train", "infer" or "report"
    folder: Path
    command: tuple[str, ...]

    def __str__(self) -> str:
        return self.folder.name

    @property
    def model_file(self) -> str:
        return MODEL_FILES[self.language]

    @property
    def script(self) -> str:
        """The file name that begins the stage's error messages."""
        return next(Path(word).name for word in self.command if word.startswith("/code/"))

    @property
    def missing(self) -> str | None:
        """What keeps the stage from running on this machine."""
        program = self.command[0]
        if not shutil.which(program):
            return f"{program} is not installed"
        return _missing_in_julia(self.folder) if program == "julia" else None

    def run(self, **folders: Path) -> subprocess.CompletedProcess[str]:
        """Runs the stage with folders of this machine for /pfs/training, /pfs/out and so on."""
        paths = {f"/pfs/{name}": str(folder) for name, folder in folders.items()}
        return self.run_with(*(paths[word] for word in self.command if word.startswith("/pfs/")))

    def run_with(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the stage with other arguments than its pipeline spec gives."""
        command = [word for word in self.command if not word.startswith("/pfs/")]
        command = [word.replace("/code", str(self.folder)) for word in command]
        if command[0] == "python3":
            command[0] = python_of(self.folder)
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300)


@cache
def python_of(folder: Path) -> str:
    """The interpreter that has what a Python stage asks for, made if it isn't there."""
    command = [sys.executable, "-m", "pachlocal.environments", "make", "--quiet", str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"{printed.strip()}/bin/python3"


@cache
def _missing_in_julia(folder: Path) -> str | None:
    """What Julia lacks for a stage."""
    probe = 'exit(Base.find_package("JLD2") === nothing)'
    command = ["julia", "--startup-file=no", f"--project={folder}", "-e", probe]
    installed = subprocess.run(command, timeout=60).returncode == 0
    return None if installed else f"Julia has no packages; {folder}/packages.jl installs them"


def _stages() -> list[Stage]:
    """Returns the stages of compose.yaml, with the commands of their languages' specs."""
    stages = []
    for service in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values():
        repository, _, tag = service["image"].rpartition(":")
        kind, language = repository.rpartition("-")[2], tag.partition("-")[0]
        file = "report.json" if kind == "report" else f"{language}_{kind}.json"
        spec = json.loads((ROOT / file).read_text())
        folder = ROOT / service["build"]["context"]
        stages.append(Stage(language, kind, folder, tuple(spec["transform"]["cmd"])))
    return stages


STAGES = _stages()
TRAINERS = [stage for stage in STAGES if stage.kind == "train"]
INFERRERS = [stage for stage in STAGES if stage.kind == "infer"]
