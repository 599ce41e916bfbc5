"""The commands that install what `pachlocal doctor` misses, on the systems most people have."""

from __future__ import annotations

import platform
from enum import Enum


class System(Enum):
    """A family of systems with the same package manager."""

    DEBIAN = "Debian, Ubuntu"
    FEDORA = "Fedora"
    MACOS = "macOS, with Homebrew"


_JULIA = "curl -fsSL https://install.julialang.org | sh"
_E1071 = """Rscript -e 'install.packages("e1071", repos = "https://cloud.r-project.org")'"""

# R comes with MASS on all of them.
INSTALLING = {
    "Python": {
        System.DEBIAN: "sudo apt install python3 python3-venv make git",
        System.FEDORA: "sudo dnf install python3 make git",
        System.MACOS: "brew install python make git",
    },
    "R": {
        System.DEBIAN: "sudo apt install r-base-core r-cran-mass r-cran-e1071",
        System.FEDORA: f"sudo dnf install R && sudo {_E1071}",
        System.MACOS: f"brew install r && {_E1071}",
    },
    "Julia": dict.fromkeys(System, _JULIA),
    "Docker": {
        System.DEBIAN: "sudo apt install docker.io docker-compose",
        System.FEDORA: "sudo dnf install moby-engine docker-compose",
        System.MACOS: "brew install --cask docker",
    },
}

_FAMILIES = {
    System.DEBIAN: {"debian", "ubuntu"},
    System.FEDORA: {"fedora", "rhel", "centos"},
}


def cure_for(what: str, otherwise: str) -> str:
    """Return the command that installs something on this machine.

    Args:
        what: A key of INSTALLING.
        otherwise: What to say where no command is known.
    """
    system = this_system()
    return INSTALLING[what][system] if system else otherwise


def this_system() -> System | None:
    """Return what kind of system this is; None if it is another."""
    if platform.system() == "Darwin":
        return System.MACOS
    try:
        about = platform.freedesktop_os_release()
    except OSError:  # no such file: it is no Linux that names itself
        return None
    names = {about.get("ID", ""), *about.get("ID_LIKE", "").split()}
    return next((system for system, known in _FAMILIES.items() if names & known), None)
