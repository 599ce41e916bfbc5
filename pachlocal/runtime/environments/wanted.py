"""What a stage's folder asks to have installed, and the files that say so."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pachlocal.errors import ImageUnavailableError

from .files import RequirementsError, digest
from .pyproject import load, of_lock, of_project
from .requirements import Requirements, read_requirements

PYTHON, R, JULIA = "Python", "R", "Julia"

SOURCES = (
    *("requirements.txt", "uv.lock", "pyproject.toml", "renv.lock"),
    *("Project.toml", "Manifest.toml"),
)
"""The names of the files that are looked for."""


@dataclass(frozen=True)
class Wanted:
    """What a folder asks for.

    Attributes:
        language: Whose packages they are.
        source: The file that says it.
        files: The SHA-256 of each file of the folder that counts, by its path there.
        lines: For Python, what is to be installed, when the source isn't requirements.txt.
        is_complete: Whether `lines` name all that is needed, so that nothing is to be found out.
        packages: For R, name, version and repository of each package.
        unpinned: The names of what may come in another version the next time.
    """

    language: str
    source: str
    files: Mapping[str, str]
    lines: tuple[str, ...] = ()
    is_complete: bool = False
    packages: tuple[tuple[str, str, str], ...] = ()
    unpinned: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing at all."""
        return not self.lines and not self.packages

    def key(self, tool: str) -> str:
        """Name the environment: equal wishes to equal tools have one.

        Args:
            tool: What tells the language's installation from others.
        """
        text = json.dumps([_FORM, self.language, tool, self.lines, sorted(self.files.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:24]


_FORM = 1  # changes when environments are made in another way


def wanted(folder: Path, image: str) -> list[Wanted]:
    """Read what a folder asks for: at most one environment for each language.

    Args:
        folder: The stage's folder, or a version of it.
        image: Whose folder it is, for messages.

    Raises:
        ImageUnavailableError: A file of it can't be read, or says what can't be installed.
    """
    try:
        return [it for read in (_python, _r, _julia) if (it := read(folder)) is not None]
    except RequirementsError as error:
        raise ImageUnavailableError(f"image {image}: {error}") from error
    except UnicodeDecodeError as error:
        raise ImageUnavailableError(f"image {image}: its requirements aren't UTF-8") from error
    except OSError as error:
        name = os.path.relpath(os.fsdecode(error.filename or folder), folder)
        raise ImageUnavailableError(f"image {image}: {name}: {error.strerror}") from error


def _python(folder: Path) -> Wanted | None:
    if (folder / "requirements.txt").is_file():
        found = read_requirements(folder, "requirements.txt")
        asked = tuple(found.lines)
        return Wanted(PYTHON, "requirements.txt", found.files, asked, unpinned=found.unpinned)
    project = folder / "pyproject.toml"
    if not project.is_file():
        return None
    lock = folder / "uv.lock"
    if lock.is_file():
        lines = of_lock(project.read_text("utf-8"), lock.read_text("utf-8"))
        # The project's other settings change nothing that is installed.
        return None if lines is None else Wanted(PYTHON, "uv.lock", {}, lines, is_complete=True)
    named = of_project(project.read_text("utf-8"))
    if named is None:
        return None
    unpinned = Requirements(lines=[*named]).unpinned
    return Wanted(PYTHON, "pyproject.toml", {}, named, unpinned=unpinned)


def _r(folder: Path) -> Wanted | None:
    """Read renv.lock; source: rstudio.github.io/renv/articles/lockfile.html."""
    path = folder / "renv.lock"
    if not path.is_file():
        return None
    try:
        lock = json.loads(path.read_text("utf-8"))
        repositories = {
            str(it["Name"]): str(it["URL"]) for it in lock.get("R", {}).get("Repositories", [])
        }
        packages = []
        for name, it in sorted(lock["Packages"].items()):
            if it.get("Source") != "Repository":
                raise RequirementsError(
                    f"renv.lock: {name} is of {it.get('Source')}, and only packages of a "
                    "repository are installed"
                )
            repository = str(it.get("Repository", "CRAN"))
            url = repositories.get(repository, "")
            if not url and "://" in repository:
                url = repository
            packages.append((name, str(it["Version"]), url or next(iter(repositories.values()))))
    except (ValueError, KeyError, AttributeError, TypeError, StopIteration) as error:
        raise RequirementsError(f"renv.lock was not written by renv: {error}") from error
    return Wanted(R, "renv.lock", {"renv.lock": digest(path)}, packages=tuple(packages))


def _julia(folder: Path) -> Wanted | None:
    if not (folder / "Project.toml").is_file():
        return None
    names = [path.name for path in folder.glob("Manifest*.toml")]
    files = {name: digest(folder / name) for name in ("Project.toml", *sorted(names))}
    project = load("Project.toml", (folder / "Project.toml").read_text("utf-8"))
    unpinned = () if names else tuple(project.get("deps", ()))
    return Wanted(JULIA, "Project.toml", files, lines=("Project.toml",), unpinned=unpinned)
