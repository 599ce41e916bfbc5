"""Python, the workshop's files, and the place for the store."""

from __future__ import annotations

import fcntl
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from pachlocal.cli.doctor.finding import Finding, Verdict

_LEAST_PYTHON = (3, 10)
_STAGE_PACKAGES = ("scikit-learn", "joblib")  # the extra `stages`
_MIB = 1 << 20
_LEAST_MIB = 100  # the workshop's store is a few; a full disk is no place for a database
_PLENTY_MIB = 1024


def check_python() -> Finding:
    """Python itself, and what the Python stages import: the daemon's interpreter runs them."""
    text = f"Python {platform.python_version()} ({sys.executable})"
    if sys.version_info < _LEAST_PYTHON:
        return Finding(Verdict.FAIL, "python", text, "install Python 3.10 or later")
    missing = []
    for name in _STAGE_PACKAGES:
        try:
            text += f", {name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        text += f", without {' and '.join(missing)}, which the Python stages import"
        return Finding(Verdict.FAIL, "python", text, f"pip install {' '.join(missing)}")
    return Finding(Verdict.PASS, "python", text)


def check_workshop(compose: Path | None) -> Finding:
    """The file that says which folder holds a stage's code, and the specs beside it."""
    cure = "change to the folder of the workshop, or say where it is: --compose …/compose.yaml"
    if compose is None:
        return Finding(Verdict.FAIL, "workshop", "no compose.yaml here", cure)
    folder = compose.absolute().parent
    needed = ("python_train.json", "python_infer.json", "data/iris.csv")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        return Finding(Verdict.FAIL, "workshop", f"{folder} has no {', '.join(missing)}", cure)
    return Finding(Verdict.PASS, "workshop", str(folder))


def check_store(root: Path) -> Finding:
    """Whether the store's folder can be made, written to and locked."""
    place = _existing(root)
    cure = "take another folder: --root DIR, or export PACHLOCAL_ROOT=DIR"
    if not place.is_dir():
        return Finding(Verdict.FAIL, "store", f"{place} is not a folder", cure)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        text = f"{place} can't be written to and locked: {error.strerror}"
        return Finding(Verdict.FAIL, "store", text, cure)
    return Finding(Verdict.PASS, "store", f"{root} can be written to")


def check_disk(root: Path) -> Finding:
    """Free space where the store is."""
    place = _existing(root)
    free = shutil.disk_usage(place).free // _MIB
    text = f"{free} MiB free in {place}"
    cure = "free some, or take another disk: --root DIR"
    if free < _LEAST_MIB:
        return Finding(Verdict.FAIL, "disk", text, cure)
    if free < _PLENTY_MIB:
        return Finding(Verdict.NOTE, "disk", f"{text}: enough for the workshop, not for much more")
    return Finding(Verdict.PASS, "disk", text)


def _existing(path: Path) -> Path:
    """Return a folder, or of its parents the nearest that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
