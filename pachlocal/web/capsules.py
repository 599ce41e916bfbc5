"""/capsule/<project>/<pipeline>/<job>/<datum>.tar.gz: what `pachctl debug datum` packs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import IO, cast

import grpc
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pachlocal.cli.pachctl.client.config import Settings
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.web import metadata as meta
from pachlocal.web.statuses import plain
from pachlocal.web.upstream import Upstream

_PIECE = 256 << 10
_ENDING = ".tar.gz"


class Capsules:
    """Packs datums of one server."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def serve(self, request: Request) -> Response:
        """Answer GET: the capsule is made before it is sent, since a failure has to show."""
        names = request.path_params
        datum = names["name"].removesuffix(_ENDING)
        if datum == names["name"]:
            return _refuse(404, f"only {_ENDING} is a capsule here")
        pairs = dict(meta.of_request(request, self._upstream.settings.token))
        settings = replace(self._upstream.settings, token=str(pairs.get("authn-token", "")))
        project = pfs_pb2.Project(name=names["project"])
        pipeline = pps_pb2.Pipeline(name=names["pipeline"], project=project)
        job = pps_pb2.Job(pipeline=pipeline, id=names["job"])
        try:
            file = await run_in_threadpool(_pack, settings, job, datum)
        except CliError as problem:
            return _refuse(400, str(problem))
        except grpc.RpcError as problem:
            return plain(cast("grpc.Call", problem))
        except OSError as problem:
            return _refuse(507, f"the capsule can't be made: {problem.strerror}")
        name = f"{names['pipeline']}-{datum[:12]}{_ENDING}"
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "content-length": str(file.seek(0, 2)),
        }
        return StreamingResponse(_pieces(file), headers=headers, media_type="application/gzip")


def _pack(settings: Settings, job: pps_pb2.Job, datum: str) -> IO[bytes]:
    # Few ask for one, and what it takes would make each front larger.
    from pachlocal.cli.pachctl.client.session import Session
    from pachlocal.cli.pachctl.pps.capsule import pack_datum

    with ExitStack() as on_failure:
        file = on_failure.enter_context(tempfile.TemporaryFile())
        with closing(Session(settings)) as session:
            pack_datum(session, job, datum, file)
        on_failure.pop_all()
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def _refuse(status: int, line: str) -> Response:
    return Response(f"{line}\n", status, media_type="text/plain")
