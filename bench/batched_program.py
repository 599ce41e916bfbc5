"""The user code of the measurements of datum batching.

    batched_program.py                         asks for datums and does nothing with them
    batched_program.py MODEL OUT               tells the species of the flowers in each
    batched_program.py MODEL OUT ATTRIBUTES    the same for a folder of files, without a pipeline

It asks as pachyderm-sdk does: a blocking call of NextDatum, and then the variables, here those of
the answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

from pachlocal.proto import worker_pb2


def main(model: str = "", out: str = "", attributes: str = "") -> None:
    """Do it."""
    if not model:
        for _ in _datums():
            pass
        return
    import joblib

    loaded = joblib.load(model)
    for path in sorted(Path(attributes).iterdir()) if attributes else _datums():
        rows = [[float(field) for field in line.split(",")] for line in path.read_text().split()]
        species = loaded.predict(rows)
        Path(out, path.name).write_text("".join(f"{name}\n" for name in species))


def _datums() -> Iterator[Path]:
    """Yield the file of one datum after the other; the worker ends the program after the last."""
    with grpc.insecure_channel(f"localhost:{os.environ['PPS_WORKER_GRPC_PORT']}") as channel:
        next_datum = channel.unary_unary(
            "/pachyderm.worker.Worker/NextDatum",
            request_serializer=worker_pb2.NextDatumRequest.SerializeToString,
            response_deserializer=worker_pb2.NextDatumResponse.FromString,
        )
        while True:
            answer = next_datum(worker_pb2.NextDatumRequest())
            variables = dict(variable.split("=", 1) for variable in answer.env)
            os.environ.update(variables)
            yield Path(variables["attributes"])


if __name__ == "__main__":
    main(*sys.argv[1:])
