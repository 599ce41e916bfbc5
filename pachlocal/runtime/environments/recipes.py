"""How each language installs what is wanted, and how its programs find it then."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from .wanted import JULIA, PYTHON, R, Wanted

_PIP_KNOWS_OTHERS = (22, 3)  # its option --python
_PROBE_S = 60.0
# Where pip would put things elsewhere; and what is of the interpreter that runs pachlocal.
_NOT_FOR_PIP = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIREMENT")
_NOT_FOR_PYTHON = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_ERROR = re.compile(r"\s*(?:ERROR|Error|error)\s*(?:in [^:]*)?:\s*(\S.*)")
_LONGEST = 300
_UNREACHED = "WARNING: Retrying"

_HERE = Path(__file__).parent


class Recipe:
    """What is to be done for one language."""

    def tool(self, env: Mapping[str, str]) -> str | None:
        """Return what tells this machine's installation of the language from others.

        Args:
            env: The environment of commands.

        Returns:
            None if there is none: then a command that needs it says so itself.
        """
        raise NotImplementedError

    def commands(
        self, wanted: Wanted, inputs: Path, place: Path, env: Mapping[str, str]
    ) -> Iterator[Sequence[str]]:
        """Yield the commands that make an environment, each when the one before has done well.

        Args:
            wanted: What is to be installed.
            inputs: A folder with its files, in which the commands start.
            place: The folder of the environment.
            env: The environment in which they run.
        """
        raise NotImplementedError

    def maker_env(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which the commands run, made of the daemon's own."""
        return dict(env)

    def variables(self, place: Path, env: Mapping[str, str]) -> dict[str, str]:
        """Return the variables by which programs find the environment, given those they have."""
        raise NotImplementedError

    def is_sound(self, place: Path) -> bool:
        """Whether what it was made with is still there."""
        raise NotImplementedError


class _Python(Recipe):
    """A virtual environment of the Python that runs pachlocal."""

    def tool(self, env: Mapping[str, str]) -> str | None:
        del env
        return f"{sys.implementation.cache_tag} {sysconfig.get_platform()} {sys.base_prefix}"

    def commands(
        self, wanted: Wanted, inputs: Path, place: Path, env: Mapping[str, str]
    ) -> Iterator[Sequence[str]]:
        del env
        has_pip = _has_pip()
        alone = ["--without-pip"] if has_pip else []
        yield [sys.executable, "-m", "venv", "--clear", *alone, str(place)]
        python = str(place / "bin" / "python3")
        if wanted.is_empty:
            return
        pip = (
            [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
        )
        file = wanted.source
        if file != "requirements.txt":
            file = "wanted.txt"
            (inputs / file).write_text("\n".join(wanted.lines) + "\n", encoding="utf-8")
        # Compiling all that nobody imports would take most of the time, and half of the disk.
        yield [
            *(*pip, "install", "--no-compile", "--no-input", "--progress-bar", "off"),
            *("--disable-pip-version-check", "--no-warn-script-location"),
            *(["--no-deps"] if wanted.is_complete else []),
            *("-r", file),
        ]

    def maker_env(self, env: Mapping[str, str]) -> dict[str, str]:
        dropped = (*_NOT_FOR_PIP, *_NOT_FOR_PYTHON)
        made = {name: value for name, value in env.items() if name not in dropped}
        # Where pip finds packages may be said for the environment of pachlocal: without internet.
        config = Path(sys.prefix) / "pip.conf"
        if sys.prefix != sys.base_prefix and config.is_file():
            made.setdefault("PIP_CONFIG_FILE", str(config))
        return made

    def variables(self, place: Path, env: Mapping[str, str]) -> dict[str, str]:
        return {"VIRTUAL_ENV": str(place), "PATH": f"{place / 'bin'}:{env.get('PATH', os.defpath)}"}

    def is_sound(self, place: Path) -> bool:
        return os.access(place / "bin" / "python3", os.X_OK)


def _has_pip() -> bool:
    """Whether the Python that runs pachlocal has a pip that installs for others."""
    if find_spec("pip") is None:
        return False
    try:
        version = metadata.version("pip")
    except metadata.PackageNotFoundError:
        return False
    return tuple(map(int, re.findall(r"\d+", version)[:2])) >= _PIP_KNOWS_OTHERS


class _R(Recipe):
    """A library of R, with the versions that renv.lock pins."""

    def tool(self, env: Mapping[str, str]) -> str | None:
        return _version_of("Rscript", env)

    def commands(
        self, wanted: Wanted, inputs: Path, place: Path, env: Mapping[str, str]
    ) -> Iterator[Sequence[str]]:
        del env
        place.mkdir(exist_ok=True)
        if wanted.packages:
            rows = ["\t".join(package) for package in wanted.packages]
            (inputs / "packages.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
            script = str(_HERE / "install_packages.R")
            yield ["Rscript", "--vanilla", script, str(place)]

    def variables(self, place: Path, env: Mapping[str, str]) -> dict[str, str]:
        others = env.get("R_LIBS")
        return {"R_LIBS": f"{place}:{others}" if others else str(place)}

    def is_sound(self, place: Path) -> bool:
        return place.is_dir()


class _Julia(Recipe):
    """A project of Julia, whose packages are in the user's depot, as all that Julia installs."""

    def tool(self, env: Mapping[str, str]) -> str | None:
        version = _version_of("julia", env)
        return None if version is None else f"{version} {env.get('JULIA_DEPOT_PATH', '')}"

    def commands(
        self, wanted: Wanted, inputs: Path, place: Path, env: Mapping[str, str]
    ) -> Iterator[Sequence[str]]:
        del env
        place.mkdir(exist_ok=True)
        for name in wanted.files:
            shutil.copyfile(inputs / name, place / name)
        script = str(_HERE / "instantiate.jl")
        yield ["julia", "--startup-file=no", f"--project={place}", script]

    def variables(self, place: Path, env: Mapping[str, str]) -> dict[str, str]:
        del env
        return {"JULIA_PROJECT": str(place)}

    def is_sound(self, place: Path) -> bool:
        return (place / "Project.toml").is_file()


RECIPES: Mapping[str, Recipe] = {PYTHON: _Python(), R: _R(), JULIA: _Julia()}


def _version_of(name: str, env: Mapping[str, str]) -> str | None:
    program = shutil.which(name, path=env.get("PATH"))
    if program is None:
        return None
    found = Path(program).stat()
    return _asked(program, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=16)
def _asked(program: str, stamp: object) -> str | None:
    del stamp  # another one is another program
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PROBE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    return f"{program} {lines[0] if lines else ''}"


def reason_in(lines: Sequence[str], code: int) -> str:
    """Find in what an installer has written the line that says why it failed."""
    found = [match[1] for line in lines if (match := _ERROR.match(line))]
    whole = [line for line in found if not line.startswith(("ResolutionImpossible", "subprocess"))]
    said = [line.strip() for line in lines if line.strip()]
    reason = (whole or found or said[-1:] or [f"exit code {code}"])[0].rstrip(":")
    if any(line.startswith(_UNREACHED) for line in lines):
        reason += " (where packages come from can't be reached)"
    return reason[:_LONGEST]
