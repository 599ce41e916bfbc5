"""The page: the bundle that is built from `console/`, or how to get it."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from pachlocal.cli.pachctl.client.config import load
from pachlocal.errors import CliError

BUNDLE = Path(__file__).parent / "bundle"
"""What `make console` writes, and a wheel carries."""

_NAME = re.compile(r"\w[\w.-]*")

_NOT_BUILT = """<!doctype html><html lang=en><meta charset=utf-8><title>pachlocal</title>
<h1>The page is not built</h1>
<p>This is the HTTP front of pachlocal: <code>/api</code>, <code>/pfs</code> and
<code>/archive</code> are served. To build the page, which needs the tools of developers:</p>
<pre>make setup</pre>
<p>An installed package carries it.</p>
"""


def routes() -> list[Route]:
    """Return the routes of the page and its parts."""
    return [Route("/", page), Route("/console/{name}", part), Route("/context", context)]


async def page(request: Request) -> Response:
    """Answer with the page."""
    file = BUNDLE / "index.html"
    if not file.is_file():
        return Response(_NOT_BUILT, media_type="text/html")
    return FileResponse(file)


def context(_: Request) -> Response:
    """Answer with the project that pachctl means now where none is named."""
    try:
        return JSONResponse({"project": load().project})
    except CliError as problem:
        return Response(f"{problem}\n", 400, media_type="text/plain")


async def part(request: Request) -> Response:
    """Answer with a part of the page; each build gives changed ones other names."""
    file = BUNDLE / request.path_params["name"]
    if not _NAME.fullmatch(file.name) or not file.is_file():
        return Response("there is no such file\n", 404, media_type="text/plain")
    return FileResponse(file, headers={"cache-control": "public, max-age=31536000, immutable"})
