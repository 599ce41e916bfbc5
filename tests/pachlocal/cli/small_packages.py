"""Packages to be installed without a network: small ones, that the tests make."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

# A build of this one begins with a file, and waits for another.
_BACKEND = """\
import pathlib, sys, time
sys.path.append({tests!r})
from small_packages import wheel

HERE = pathlib.Path({folder!r})

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with (HERE / "begun").open("a") as file:
        file.write("x")
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return wheel(pathlib.Path(folder), "slow", "1.0").name
"""


def wheel(folder: Path, name: str, version: str, needs: str = "", padding: int = 0) -> Path:
    """Write the wheel of a package with one module, whose SAYS is its name and version.

    Args:
        folder: Where.
        name: The package's name.
        version: The package's version.
        needs: A requirement.
        padding: By how many bytes the module is longer.
    """
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if needs:
        about += f"Requires-Dist: {needs}\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", f"SAYS = '{name} {version}'\n" + padding * "#")
        info = f"{name}-{version}.dist-info"
        file.writestr(f"{info}/METADATA", about)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


def slow_source(folder: Path) -> None:
    """Write the source of the package slow 1.0, whose build writes `begun` and waits for `go`."""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n[project]\nname = "slow"\nversion = "1.0"\n',
        "backend.py": _BACKEND.format(folder=str(folder), tests=str(Path(__file__).parent)),
        "PKG-INFO": "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n",
    }
    with tarfile.open(folder / "slow-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"slow-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def r_repository(folder: Path, packages: dict[str, tuple[str, str, str]]) -> str:
    """Write a repository of R packages, each with a function `says`; return its address.

    Args:
        folder: Where.
        packages: By file name: the package's name, its version, and what it imports.
    """
    newest = folder / "src" / "contrib"
    for file, (name, version, imports) in packages.items():
        text = f"Package: {name}\nVersion: {version}\nTitle: T\nDescription: D.\nLicense: GPL-3\n"
        text += "Author: A\nMaintainer: A <a@example.org>\n"
        body = f'says <- function() "{name} {version}"\n'
        if imports:
            text += f"Imports: {imports}\n"
            body = f'says <- function() paste("{name} {version}", {imports}::says())\n'
        (newest / file).parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(newest / file, "w:gz") as archive:
            for part, content in {
                "DESCRIPTION": text,
                "NAMESPACE": "export(says)\n",
                "R/says.R": body,
            }.items():
                entry = tarfile.TarInfo(f"{name}/{part}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content.encode()))
    return f"file://{folder}"
