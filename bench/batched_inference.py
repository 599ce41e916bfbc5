"""Infers the species of flowers: files given to a worker one by one, or a folder of them at once.

    batched_inference.py MODEL OUT             in a pipeline with datum batching
    batched_inference.py MODEL OUT ATTRIBUTES  by itself

It asks for datums as pachyderm-sdk does: a blocking call of NextDatum, and then the variables, here
those of the answer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import grpc
import joblib

from pachlocal.proto import worker_pb2


def main(model_file: str, out: str, attributes: str = "") -> None:
    """Infer what is in the folder of attributes, or in each datum until there is none."""
    model = joblib.load(model_file)
    if attributes:
        for path in sorted(Path(attributes).iterdir()):
            _infer(model, path, Path(out))
        return
    with grpc.insecure_channel(f"localhost:{os.environ['PPS_WORKER_GRPC_PORT']}") as channel:
        next_datum = channel.unary_unary(
            "/pachyderm.worker.Worker/NextDatum",
            request_serializer=worker_pb2.NextDatumRequest.SerializeToString,
            response_deserializer=worker_pb2.NextDatumResponse.FromString,
        )
        while True:  # the worker ends the program when there is no more datum
            answer = next_datum(worker_pb2.NextDatumRequest())
            os.environ.update(variable.split("=", 1) for variable in answer.env)
            _infer(model, Path(os.environ["attributes"]), Path(out))  # noqa: SIM112


def _infer(model: Any, path: Path, out: Path) -> None:
    rows = [[float(field) for field in line.split(",")] for line in path.read_text().splitlines()]
    (out / path.name).write_text("".join(f"{species}\n" for species in model.predict(rows)))


if __name__ == "__main__":
    main(*sys.argv[1:])
