"""How each tool is told of the two stages, and asked for their results."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TRAIN = ROOT / "python" / "iris-train-python-svm" / "pytrain.py"
_INFER = ROOT / "python" / "iris-infer-python" / "pyinfer.py"
_HERE = Path(__file__).parent
_BIN = Path(sys.executable).parent
AT_ONCE = 2  # stages that each tool may run side by side


@cache
def stage_python() -> str:
    """Return the interpreter that has what the workshop's Python stages ask for."""
    command = [sys.executable, "-m", "pachlocal.environments", "make", str(_TRAIN.parent)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"{printed.strip().rpartition(': ')[2]}/bin/python3"


class Tool(ABC):
    """A tool at work in a folder of its own: `training/iris.csv`, `attributes/NAME/NAME.csv`.

    Attributes:
        name: What it is called.
        repeats: Whether it knows what it has done already, so that one new file costs one stage.
    """

    name: str
    repeats = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, environments: Path) -> None:  # noqa: B027 - most have nothing to do
        """Make the tool ready; this isn't measured."""

    @abstractmethod
    def begin(self) -> None:
        """Describe the stages; measured with the first run."""

    @abstractmethod
    def run(self) -> None:
        """Bring the results up to date."""

    def answer(self, name: str) -> str:
        """Return what the stages said of a file."""
        return (self.folder / "inference" / f"{name}.csv").read_text()

    def end(self) -> None:  # noqa: B027
        """Stop what is left running."""

    def _do(self, *command: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout


class _Installed(Tool):
    """A tool that comes from PyPI, by a lock beside this file."""

    _program: Path

    def install(self, environments: Path) -> None:
        """Install the lock, once."""
        place = environments / self.name
        self._program = place / "bin" / self.name
        if not self._program.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
            lock = _HERE / f"{self.name}.txt"
            install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
            subprocess.run([place / "bin" / "python", *install], check=True)


class Pachlocal(Tool):
    """Ours: started, told and asked by its commands, as in the workshop."""

    name = "pachlocal"
    _put: set[str]

    def begin(self) -> None:
        """Write the stages down, as `Tool.begin` asks."""
        self._put = set()
        self._root = str(self.folder / "store")
        up = ("up", "--root", self._root, "--address", "127.0.0.1:0", "--no-console")
        started = self._do(str(_BIN / "pachlocal"), *up, "--compose", str(ROOT / "compose.yaml"))
        self._address = next(
            word for word in started.replace(",", " ").split() if "grpc://" in word
        )
        self._pachctl("create", "repo", "training")
        self._pachctl("create", "repo", "attributes")
        self._pachctl("put", "file", "training@master", "-f", "training/iris.csv")
        self._put_attributes()
        for name in ("python_train.json", "python_infer.json"):
            spec = (ROOT / name).read_text().replace('"constant": "1"', f'"constant": "{AT_ONCE}"')
            (self.folder / name).write_text(spec)
            self._pachctl("create", "pipeline", "-f", name)

    def run(self) -> None:
        """Run what is missing."""
        self._put_attributes()
        self._pachctl("wait", "commit", "inference@master")

    def answer(self, name: str) -> str:
        """Read it from the output repo."""
        return self._pachctl("get", "file", f"inference@master:{name}.csv")

    def end(self) -> None:
        """Stop the daemon."""
        self._do(str(_BIN / "pachlocal"), "down", "--root", self._root)

    def _put_attributes(self) -> None:
        files = {path.stem: path for path in self.folder.glob("attributes/*/*.csv")}
        new = [
            file
            for name, path in files.items()
            if name not in self._put
            for file in ("-f", str(path))
        ]
        if new:
            self._pachctl("put", "file", "attributes@master", *new)
        self._put |= set(files)

    def _pachctl(self, *words: str) -> str:
        return self._do(str(_BIN / "pachctl"), *words, env={"PACHD_ADDRESS": self._address})


class Make(Tool):
    """GNU make, with one rule for all files."""

    name = "make"

    def begin(self) -> None:
        """Write the stages down, as `Tool.begin` asks."""
        (self.folder / "Makefile").write_text(
            "all: $(patsubst attributes/%,inference/%.csv,$(wildcard attributes/*))\n"
            "model/model.pkl: training/iris.csv\n"
            f"\tmkdir -p model && {stage_python()} {_TRAIN} training model\n"
            "inference/%.csv: attributes/%/*.csv model/model.pkl\n"
            f"\tmkdir -p inference && {stage_python()} {_INFER} model attributes/$* inference\n"
        )

    def run(self) -> None:
        """Run what is missing."""
        self._do("make", "--silent", f"--jobs={AT_ONCE}", "all")


class Snakemake(_Installed):
    """Snakemake, with one rule for all files."""

    name = "snakemake"

    def begin(self) -> None:
        """Write the stages down, as `Tool.begin` asks."""
        (self.folder / "Snakefile").write_text(f"""\
from pathlib import Path
NAMES = [path.name for path in Path("attributes").iterdir()]
rule all:
    input: expand("inference/{{name}}.csv", name=NAMES)
rule train:
    input: "training/iris.csv"
    output: "model/model.pkl"
    shell: "{stage_python()} {_TRAIN} training model"
rule infer:
    input: "model/model.pkl", "attributes/{{name}}/{{name}}.csv"
    output: "inference/{{name}}.csv"
    shell: "{stage_python()} {_INFER} model attributes/{{wildcards.name}} inference"
""")

    def run(self) -> None:
        """Run what is missing."""
        self._do(str(self._program), "--cores", str(AT_ONCE), "--quiet", "all")


class Dvc(_Installed):
    """DVC in a git repository, with a stage for each file; it runs one at a time."""

    name = "dvc"

    def begin(self) -> None:
        """Write the stages down, as `Tool.begin` asks."""
        self._do("git", "init", "--quiet")
        self._do(str(self._program), "init", "--quiet")
        (self.folder / "dvc.yaml").write_text(f"""\
vars: [names.json]
stages:
  train:
    cmd: mkdir -p model && {stage_python()} {_TRAIN} training model
    deps: [training/iris.csv]
    outs: [model/model.pkl]
  infer:
    foreach: ${{names}}
    do:
      cmd: mkdir -p inference && {stage_python()} {_INFER} model attributes/${{item}} inference
      deps: [model/model.pkl, "attributes/${{item}}/${{item}}.csv"]
      outs: ["inference/${{item}}.csv"]
""")

    def run(self) -> None:
        """Run what is missing."""
        names = sorted(path.name for path in self.folder.glob("attributes/*"))
        listed = ", ".join(f'"{name}"' for name in names)
        (self.folder / "names.json").write_text(f'{{"names": [{listed}]}}')
        self._do(str(self._program), "repro", "--quiet")


class Dagster(_Installed):
    """Dagster, with an op for each file; a run of its job knows nothing of the run before."""

    name = "dagster"
    repeats = False

    def begin(self) -> None:
        """Write the stages down, as `Tool.begin` asks."""
        shutil.copy(_HERE / "dagster_job.py", self.folder)
        (self.folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")

    def run(self) -> None:
        """Run what is missing."""
        env = {
            "DAGSTER_HOME": str(self.folder),
            "TRAIN": f"{stage_python()} {_TRAIN} training model",
            "INFER": f"{stage_python()} {_INFER} model attributes/%s inference",
            "AT_ONCE": str(AT_ONCE),
        }
        self._do(
            str(self._program), "job", "execute", "-f", "dagster_job.py", "-j", "iris", env=env
        )


TOOLS: tuple[type[Tool], ...] = (Pachlocal, Make, Snakemake, Dvc, Dagster)
