"""/pfs/<project>/<repo>/<commit or branch>/<path>: files and folders, read and written."""

from __future__ import annotations

import asyncio
import html
import mimetypes
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from email.utils import format_datetime
from posixpath import basename, dirname
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.wrappers_pb2 import BytesValue
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc
from pachlocal.web import metadata as meta
from pachlocal.web.conditions import UnsatisfiableError, failed, wanted_range
from pachlocal.web.references import commit, is_id
from pachlocal.web.statuses import plain
from pachlocal.web.upstream import Upstream

_PIECE = 1 << 20  # bytes of a message that a file is put by
_FORM = "the form is /pfs/PROJECT/REPO/COMMIT-OR-BRANCH/PATH\n"
# A listing is ours, and only links: in a sandbox, as files are, it would be another site's page.
_LISTING_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
# Few machines' lists have these, and a browser saves what it takes for a stream of bytes.
_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".md": "text/markdown",
    **dict.fromkeys(
        (".txt", ".log", ".py", ".r", ".jl", ".yaml", ".yml", ".toml", ".sh"), "text/plain"
    ),
}


class Files:
    """Serves the files of one server."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def serve(self, request: Request) -> Response:
        """Answer GET, HEAD, PUT and DELETE."""
        pairs = meta.of_request(request, self._upstream.settings.token)
        project, repo, name, slash, path = _parts(request.path_params["rest"])
        if not name:
            return Response(_FORM, 404, media_type="text/plain")
        if not slash:
            return RedirectResponse(_url(request.url.path) + "/", 301)
        known = commit(project, repo, name)
        try:
            if request.method in ("GET", "HEAD"):
                return await self._read(request, pairs, known, name, path)
            if request.method in ("PUT", "DELETE"):
                return await self._write(request, pairs, pfs_pb2.File(commit=known, path=path))
        except grpc.aio.AioRpcError as problem:
            return plain(problem)
        except ClientDisconnect:
            return Response("the client has gone\n", 499)
        allowed = {"allow": "GET, HEAD, PUT, DELETE"}
        return Response("method not allowed\n", 405, allowed, "text/plain")

    @property
    def _pfs(self) -> Any:
        return pfs_pb2_grpc.APIStub(self._upstream.channel)

    async def _read(
        self, request: Request, pairs: meta.Pairs, known: pfs_pb2.Commit, name: str, path: str
    ) -> Response:
        asked = pfs_pb2.InspectCommitRequest(commit=known)
        found = await self._pfs.InspectCommit(asked, metadata=pairs)
        file = pfs_pb2.File(commit=found.commit, path=path)
        info = await self._inspect(file, pairs)
        fixed = is_id(name) and found.HasField("finished")
        headers = {"cache-control": "private, max-age=31536000" if fixed else "private, no-cache"}
        if info.file_type == pfs_pb2.DIR:
            if not request.url.path.endswith("/"):
                return RedirectResponse(_url(request.url.path) + "/", 301)
            return await self._list(request, pairs, file, headers)
        return await self._send(request, pairs, info, headers)

    async def _send(
        self, request: Request, pairs: meta.Pairs, info: pfs_pb2.FileInfo, headers: dict[str, str]
    ) -> Response:
        etag, modified, size = f'"{info.hash.hex()}"', _modified(info), info.size_bytes
        headers |= {"etag": etag, "accept-ranges": "bytes"}
        if modified is not None:
            headers["last-modified"] = format_datetime(modified, usegmt=True)
        if status := failed(request.headers, etag, modified, read=True):
            return Response(status_code=status, headers=headers)
        headers["content-type"] = _content_type(info.file.path)
        if "download" in request.query_params:
            there = quote(basename(info.file.path))
            headers["content-disposition"] = f"attachment; filename*=UTF-8''{there}"
        try:
            wanted = wanted_range(request.headers, size, etag, modified)
        except UnsatisfiableError:
            return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
        start, end = wanted or (0, size)
        if wanted:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        headers["content-length"] = str(end - start)
        status = 206 if wanted else 200
        if request.method == "HEAD" or not size:
            return Response(status_code=status, headers=headers)
        literal = info.file.path.replace("\\", "\\\\")  # GetFile takes a pattern
        file = pfs_pb2.File(commit=info.file.commit, path=literal, datum=info.file.datum)
        asked = pfs_pb2.GetFileRequest(file=file, offset=start)
        call = self._pfs.GetFile(asked, metadata=pairs)
        first = await call.read()
        if first is grpc.aio.EOF:
            await _raise(call)
            return Response("the file has ended before its size\n", 500)
        return StreamingResponse(_bytes(call, first, end - start), status, headers)

    async def _list(
        self, request: Request, pairs: meta.Pairs, file: pfs_pb2.File, headers: dict[str, str]
    ) -> Response:
        is_html = "text/html" in request.headers.get("accept", "")
        headers |= {"vary": "accept", "content-security-policy": _LISTING_POLICY}
        kind = "text/html" if is_html else "text/plain"
        if request.method == "HEAD":
            # No body's length would be given as that of the listing, which nobody has counted.
            return StreamingResponse(_nothing(), headers=headers, media_type=kind)
        call = self._pfs.ListFile(pfs_pb2.ListFileRequest(file=file), metadata=pairs)
        first = await call.read()
        if first is grpc.aio.EOF:
            await _raise(call)
        if is_html:
            body = _page(request.url.path, file.path, _infos(call, first))
        else:
            body = _rows(_infos(call, first))
        return StreamingResponse(body, headers=headers, media_type=kind)

    async def _write(self, request: Request, pairs: meta.Pairs, file: pfs_pb2.File) -> Response:
        """Put or delete a file, in a commit of its own or in an open one."""
        if not file.path.strip("/") or (request.method == "PUT" and file.path.endswith("/")):
            return Response("a file's path is needed\n", 400, media_type="text/plain")
        if "content-range" in request.headers:  # as `curl -C` sends it: the rest would be the whole
            return Response("a part of a file can't be put\n", 400, media_type="text/plain")
        etag, modified = "", None
        info: pfs_pb2.FileInfo | None
        if request.method == "DELETE":
            info = await self._inspect(file, pairs)
        else:
            info, obstacle = await self._place(file, pairs)
            if obstacle:
                return Response(f"{obstacle}\n", 409, media_type="text/plain")
        if info is not None:
            etag, modified = f'"{info.hash.hex()}"', _modified(info)
            file.path = info.file.path  # a folder's ends in a slash, without which nothing goes
        if status := failed(request.headers, etag, modified, read=False):
            return Response(status_code=status)
        changes = _Changes(request, file)
        try:
            await self._pfs.ModifyFile(changes, metadata=pairs)
        except asyncio.CancelledError:
            if changes.gone:  # gRPC has cancelled the call for it
                return Response("the client has gone, and nothing was changed\n", 499)
            raise
        return Response(status_code=204 if etag else 201)

    async def _inspect(self, file: pfs_pb2.File, pairs: meta.Pairs) -> pfs_pb2.FileInfo:
        asked = pfs_pb2.InspectFileRequest(file=file)
        found: pfs_pb2.FileInfo = await self._pfs.InspectFile(asked, metadata=pairs)
        return found

    async def _place(
        self, file: pfs_pb2.File, pairs: meta.Pairs
    ) -> tuple[pfs_pb2.FileInfo | None, str]:
        """Return the file that is to be replaced, if there is one, and what stands in its way.

        A commit with a file where another has a folder could only be finished with an error.
        """
        path = "/" + file.path.strip("/")
        while path != "/":
            here = pfs_pb2.File(commit=file.commit, path=path)
            path = dirname(path)
            try:
                info = await self._inspect(here, pairs)
            except grpc.aio.AioRpcError as problem:
                if problem.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                continue
            is_target = here.path == "/" + file.path.strip("/")
            if is_target == (info.file_type == pfs_pb2.DIR):
                return None, f"{info.file.path} is a {'folder' if is_target else 'file'}"
            return (info if is_target else None), ""
        return None, ""


class _Changes:
    """The changes that a request makes; it changes nothing when its client goes before the end."""

    def __init__(self, request: Request, file: pfs_pb2.File) -> None:
        self._request = request
        self._file = file
        self.gone = False

    async def __aiter__(self) -> AsyncIterator[pfs_pb2.ModifyFileRequest]:
        path = self._file.path
        yield pfs_pb2.ModifyFileRequest(set_commit=self._file.commit)
        yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))
        if self._request.method == "DELETE":
            return
        yield pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path, raw=BytesValue()))
        kept = bytearray()
        try:
            async for part in self._request.stream():
                kept += part
                while len(kept) >= _PIECE:
                    yield _add(path, bytes(kept[:_PIECE]))
                    del kept[:_PIECE]
        except ClientDisconnect:
            self.gone = True
            raise  # gRPC cancels the call
        if kept:
            yield _add(path, bytes(kept))


def _add(path: str, content: bytes) -> pfs_pb2.ModifyFileRequest:
    source = pfs_pb2.AddFile(path=path, raw=BytesValue(value=content))
    return pfs_pb2.ModifyFileRequest(add_file=source)


def _parts(rest: str) -> tuple[str, str, str, str, str]:
    """Return project, repo, commit, "/" if one follows it, and path; empty what isn't there."""
    words = rest.split("/", 3)
    if len(words) < 3 or not all(words[:3]):
        return "", "", "", "", ""
    return words[0], words[1], words[2], "/" * (len(words) == 4), "/" + "".join(words[3:])


def _url(path: str) -> str:
    return quote("/" + path.strip("/"))


def _modified(info: pfs_pb2.FileInfo) -> datetime | None:
    if not info.HasField("committed"):
        return None
    return datetime.fromtimestamp(info.committed.seconds, timezone.utc)


def _content_type(path: str) -> str:
    ending = path[path.rfind(".") :].lower() if "." in basename(path) else ""
    guessed, packed = mimetypes.guess_type(path)
    if packed:  # table.csv.gz
        guessed = f"application/{packed if packed == 'gzip' else f'x-{packed}'}"
    kind = _TYPES.get(ending) or guessed or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


async def _raise(call: Any) -> None:
    """Raise what ended a stream, if that was no success."""
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise grpc.aio.AioRpcError(
            code,
            await call.initial_metadata(),
            await call.trailing_metadata(),
            await call.details(),
        )


async def _bytes(call: Any, first: BytesValue, size: int) -> AsyncIterator[bytes]:
    """Yield that many bytes; fewer end the connection, so that a client sees it."""
    message: Any = first
    try:
        while message is not grpc.aio.EOF:
            content = message.value[:size]
            size -= len(content)
            if content:
                yield content
            if not size:
                return
            message = await call.read()
    finally:
        call.cancel()


async def _infos(call: Any, first: Any) -> AsyncIterator[pfs_pb2.FileInfo]:
    message = first
    try:
        while message is not grpc.aio.EOF:
            yield message
            message = await call.read()
        await _raise(call)
    finally:
        call.cancel()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


async def _rows(infos: AsyncIterator[pfs_pb2.FileInfo]) -> AsyncIterator[str]:
    """Yield the rows that Pachyderm's file server writes: kind, size, path."""
    rows: list[str] = []
    async for info in infos:
        mark = "d" if info.file_type == pfs_pb2.DIR else "-"
        rows.append(f"{mark}\t{info.size_bytes}\t{info.file.path}\n")
        if len(rows) == 500:
            yield "".join(rows)
            rows.clear()
    yield "".join(rows)


async def _page(url: str, path: str, infos: AsyncIterator[pfs_pb2.FileInfo]) -> AsyncIterator[str]:
    title = html.escape(url.removeprefix("/pfs/"))
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
    yield "<table><tr><th align=left>Name<th align=right>Bytes"
    if path.strip("/"):
        yield "<tr><td><a href=../>..</a><td>"
    rows: list[str] = []
    async for info in infos:
        slash = "/" if info.file_type == pfs_pb2.DIR else ""
        name = basename(info.file.path.rstrip("/")) + slash
        link = quote(f"./{name}")
        rows.append(
            f'<tr><td><a href="{link}">{html.escape(name)}</a><td align=right>{info.size_bytes}\n'
        )
        if len(rows) == 500:
            yield "".join(rows)
            rows.clear()
    yield "".join(rows) + "</table>"
