"""The measures of a model and of the earlier ones.

A datum has one commit of each input. The server is asked for the earlier commits, as any program in
a worker may do; since they can't change, the same input still gives the same report.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import iris
import pandas as pd

_COMMIT = "model_COMMIT"  # in it a worker names the input's commit
_MOST = 12  # models that are shown
_AT_ONCE = 4
_TIMEOUT_S = 60.0


class Model(NamedTuple):
    """One commit of the repo of models.

    Attributes:
        commit: Its ID; empty for one that a person runs the stage on.
        title: What it is.
        rows: How many flowers it has learned from.
        accuracy: The share that cross-validation gets right, from 0 to 1.
        confusion: Counts: a row for each true species, a column for each predicted one.
    """

    commit: str
    title: str
    rows: int
    accuracy: float
    confusion: pd.DataFrame


def read_model(folder: Path) -> Model:
    """Returns the model that a trainer wrote to `folder`.

    Raises:
        iris.InputError: There is none, or its files are not a trainer's.
    """
    for name in ("metrics.json", "model.txt"):
        if not (folder / name).is_file():
            raise iris.InputError(f"{folder / name}: no such file; a trainer writes it")
    return _model(
        os.environ.get(_COMMIT, ""), lambda name: (folder / name).read_text(), str(folder)
    )


def models_before() -> list[Model]:
    """Returns the earlier models, oldest first; none if no server can be asked."""
    commit = os.environ.get(_COMMIT)
    if not commit or shutil.which("pachctl") is None:
        return []
    listed = _pachctl("list", "commit", f"model@{commit}", "--raw")
    commits = [info for info in _messages(listed) if not info.get("error")]
    names = [info["commit"]["id"] for info in commits if info["commit"]["id"] != commit]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(_stored, names[: _MOST - 1])
    return [model for model in found if model is not None][::-1]


def _stored(commit: str) -> Model | None:
    """Returns a model of the server's; None if that commit has no measures."""

    def read(name: str) -> str:
        return _pachctl("get", "file", f"model@{commit}:/{name}")

    try:
        return _model(commit, read, f"model@{commit}")
    except iris.InputError:
        listed = _messages(_pachctl("list", "file", f"model@{commit}", "--raw"))
        if {"/metrics.json", "/model.txt"} <= {info["file"]["path"] for info in listed}:
            raise
        return None


def _model(commit: str, read: Callable[[str], str], place: str) -> Model:
    try:
        figures = json.loads(read("metrics.json"))
        counts = [
            [int(figures.get(f"{true} predicted as {predicted}", 0)) for predicted in iris.SPECIES]
            for true in iris.SPECIES
        ]
        confusion = pd.DataFrame(counts, index=iris.SPECIES, columns=iris.SPECIES)
        rows, accuracy = int(figures["rows"]), float(figures["accuracy"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"metrics.json was not written by a trainer: {iris.one_line(error)}"
        raise iris.InputError(f"{place}: {message}") from error
    title = read("model.txt").partition("\n")[0].removeprefix("Model: ")
    return Model(commit, title, rows, accuracy, confusion)


def _pachctl(*words: str) -> str:
    """Returns what pachctl prints.

    Raises:
        iris.InputError: It fails.
    """
    project = os.environ.get("PPS_PROJECT_NAME")
    where = ("--project", project) if project else ()
    try:
        done = subprocess.run(
            ["pachctl", *words, *where], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise iris.InputError(f"pachctl {words[0]} {words[1]}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise iris.InputError(f"pachctl {words[0]} {words[1]}: {last}")
    return done.stdout


def _messages(text: str) -> list[dict[str, Any]]:
    """Returns the JSON objects of a text, which stand one after another."""
    decoder, found, at = json.JSONDecoder(), [], 0
    text = text.strip()
    while at < len(text):
        message, end = decoder.raw_decode(text, at)
        found.append(message)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found
