"""Python, the workshop's files, and the place for the store."""

from __future__ import annotations

import fcntl
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pachlocal.cli.pachlocal.doctor.finding import Finding, Verdict

_LEAST_PYTHON = (3, 10)
_MIB = 1 << 20
_LEAST_MIB = 100  # the workshop's store is a few; a database can't live on a full disk
_PLENTY_MIB = 1024


def check_interpreter() -> Finding:
    """Python itself: the environments of Python stages are made of the daemon's interpreter."""
    text = f"Python {platform.python_version()} ({sys.executable})"
    if sys.version_info < _LEAST_PYTHON:
        return Finding(Verdict.FAIL, "python", text, "install Python 3.10 or later")
    return Finding(Verdict.PASS, "python", text)


def check_stages(compose: Path | None) -> list[Finding]:
    """What the workshop's Python stages import: the first pipeline makes it, or `make setup`."""
    stages = sorted((compose.absolute().parent / "python").glob("iris-*")) if compose else []
    if not stages:
        return []
    folders = list(map(str, stages))
    command = [sys.executable, "-m", "pachlocal.environments", "state", *folders]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return [Finding(Verdict.FAIL, "stages", done.stderr.strip().removeprefix("pachlocal: "))]
    missing = [name for name, _, is_there in json.loads(done.stdout) if not is_there]
    if missing:
        text = (
            f"dependencies of {', '.join(missing)}: not yet installed; the first pipeline does it"
        )
        cure = f"to install them now: pachlocal environment make {stages[0].parent}/*/"
        return [Finding(Verdict.NOTE, "stages", text, cure)]
    return [Finding(Verdict.PASS, "stages", "the dependencies of the Python stages are installed")]


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
    cure = "choose another folder: --root DIR, or export PACHLOCAL_ROOT=DIR"
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
    cure = "free some, or choose another disk: --root DIR"
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
