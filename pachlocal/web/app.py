"""The front as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pachlocal.web import console, schemas
from pachlocal.web.archive import Archives
from pachlocal.web.attended import Attended
from pachlocal.web.capsules import Capsules
from pachlocal.web.files import Files
from pachlocal.web.gateway import Gateway
from pachlocal.web.guard import Guard, Pass
from pachlocal.web.statuses import answer
from pachlocal.web.upstream import Upstream
from pachlocal.web.workshop import Workshop

_ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def application(upstream: Upstream, needed: Pass) -> Guard:
    """Return the front of a server.

    Args:
        upstream: The server.
        needed: What lets requests in.
    """

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        await upstream.close()

    gateway, files, archives = Gateway(upstream), Files(upstream), Archives(upstream)
    capsules = Capsules(upstream)
    routes = [
        Route("/api/{service}/{method}", gateway.serve, methods=_ALL),
        Route("/api/{rest:path}", _no_call, methods=_ALL),
        Route("/pfs/{rest:path}", files.serve, methods=_ALL),
        Route("/archive/{name}", archives.serve, methods=_ALL),
        Route("/capsule/{project}/{pipeline}/{job}/{name}", capsules.serve),
        Route("/jsonschema/{package}/{name}", schemas.serve),
        Route("/healthz", _health),
        *Workshop(upstream).routes(),
        *console.routes(),
    ]
    return Guard(Attended(Starlette(routes=routes, lifespan=life)), needed)


async def _health(_: Request) -> Response:
    return Response("healthy\n", media_type="text/plain")


async def _no_call(_: Request) -> Response:
    return answer(grpc.StatusCode.NOT_FOUND, "Not Found")
