"""The job that Dagster runs; only its environment can import this file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dagster import DynamicOut, DynamicOutput, job, multiprocess_executor, op


@op
def train() -> str:
    """Train the model, and name its folder."""
    Path("model").mkdir(exist_ok=True)
    subprocess.run(os.environ["TRAIN"].split(), check=True)
    return "model"


@op(out=DynamicOut())
def attributes(model: str) -> Iterator[DynamicOutput[str]]:
    """Name the files there are."""
    Path("inference").mkdir(exist_ok=True)
    for path in sorted(Path("attributes").iterdir()):
        yield DynamicOutput(path.name, mapping_key=f"file_{path.name}")


@op
def infer(name: str) -> None:
    """Tell the species in a file."""
    subprocess.run((os.environ["INFER"] % name).split(), check=True)


@job(executor_def=multiprocess_executor.configured({"max_concurrent": int(os.environ["AT_ONCE"])}))
def iris() -> None:
    """Train, then infer for each file."""
    attributes(train()).map(infer)
