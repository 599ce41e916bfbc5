"""/archive/<token>.zip: files of any commits as a ZIP; the token lists their paths.

The token is Pachyderm's, version 1: in base64 for URLs without padding, a byte 1, then the paths
PROJECT/REPO@COMMIT-OR-BRANCH:PATH, each ended by a NUL, compressed by Zstandard.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import grpc
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc
from pachlocal.web import metadata as meta
from pachlocal.web.references import commit
from pachlocal.web.upstream import Upstream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LONGEST = 16 << 20  # bytes of a decoded token
_PIECE = 256 << 10  # bytes of the ZIP that are sent at once
_ERRORS = "@error.txt"  # no repo can have a file there


class Wanted(NamedTuple):
    """One path of a token."""

    project: str
    repo: str
    commit: str
    path: str


class Archives:
    """Serves archives of one server's files."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def serve(self, request: Request) -> Response:
        """Answer GET."""
        if request.method != "GET":
            return Response("method not supported\n", 405, {"allow": "GET"}, "text/plain")
        token, _, kind = request.path_params["name"].partition(".")
        try:
            if kind != "zip":
                raise ValueError("only .zip is an archive here")
            wanted = [_parse(path) for path in decode(token)]
        except ValueError as problem:
            return Response(f"invalid URL: {problem}\n", 400, media_type="text/plain")
        pairs = meta.of_request(request, self._upstream.settings.token)
        name = time.strftime("pachyderm-download-%Y-%m-%dT%H-%M-%SZ.zip", time.gmtime())
        headers = {"content-disposition": f"attachment; filename={name}"}
        body = _Zip(self._upstream, pairs, wanted).parts()
        return StreamingResponse(body, headers=headers, media_type="application/zip")


def decode(token: str) -> list[str]:
    """Return the paths that a token lists.

    Raises:
        ValueError: It is none.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the token is not base64") from None
    if raw[:1] != b"\x01":
        raise ValueError("the token is not of version 1")
    decompressor = zstd.ZstdDecompressor()
    try:
        text = decompressor.decompress(raw[1:], max_length=_LONGEST)
    except zstd.ZstdError as problem:
        raise ValueError(f"the token can't be decompressed: {problem}") from None
    if not decompressor.eof:
        raise ValueError("the token is cut off, or too long")
    return [path for path in text.decode().split("\0") if path]


def _parse(text: str) -> Wanted:
    project, slash, rest = text.partition("/")
    repo, at, rest = rest.partition("@")
    name, colon, path = rest.partition(":")
    if not (slash and at and colon):
        raise ValueError(f"{text!r} is not of the form PROJECT/REPO@COMMIT-OR-BRANCH:PATH")
    return Wanted(project, repo, name, path)


class _Zip:
    """Makes a ZIP in a thread, no faster than it is taken."""

    def __init__(self, upstream: Upstream, pairs: meta.Pairs, wanted: list[Wanted]) -> None:
        self._upstream = upstream
        self._pairs = pairs
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(8)
        self._call: Any = None
        self._stopped = False

    async def parts(self) -> Any:
        making = asyncio.create_task(run_in_threadpool(self._make))
        try:
            while (part := await self._queue.get()) is not None:
                yield part
            await making
        finally:
            self._stopped = True
            if self._call is not None:
                self._call.cancel()
            while not self._queue.empty():  # the thread may wait for room
                self._queue.get_nowait()

    def _put(self, part: bytes | None) -> None:
        if self._stopped:
            raise BrokenPipeError
        asyncio.run_coroutine_threadsafe(self._queue.put(part), self._loop).result()

    def _make(self) -> None:
        how = self._upstream.dialing
        if how.credentials is None:
            channel = grpc.insecure_channel(how.target, how.options)
        else:
            channel = grpc.secure_channel(how.target, how.credentials, how.options)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            try:
                with channel:
                    self._write(pfs_pb2_grpc.APIStub(channel))
            finally:
                self._put(None)

    def _write(self, pfs: Any) -> None:
        problems = []
        commits: dict[tuple[str, str, str], pfs_pb2.Commit] = {}
        out: Any = _Out(self._put)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in self._wanted:
                try:
                    key = one[:3]
                    if key not in commits:  # a branch is the same commit for all its files
                        asked = pfs_pb2.InspectCommitRequest(commit=commit(*key))
                        commits[key] = pfs.InspectCommit(asked, metadata=self._pairs).commit
                    self._add(pfs, archive, one, commits[key])
                except (grpc.RpcError, tarfile.TarError) as problem:
                    said = problem.details() if hasattr(problem, "details") else problem
                    problems.append(f"{one.project}/{one.repo}@{one.commit}:{one.path}: {said}\n")
            if problems:
                stored = zipfile.ZipInfo(_ERRORS)
                archive.writestr(stored, "".join(problems), zipfile.ZIP_STORED)
        out.close()

    def _add(self, pfs: Any, archive: zipfile.ZipFile, one: Wanted, there: pfs_pb2.Commit) -> None:
        file = pfs_pb2.File(commit=there, path=one.path)
        call = pfs.GetFileTAR(pfs_pb2.GetFileRequest(file=file), metadata=self._pairs)
        self._call = call
        source: Any = _In(message.value for message in call)
        now = time.gmtime()[:6]
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for entry in tar:
                content = tar.extractfile(entry) if entry.isfile() else None
                if content is None:
                    continue
                name = f"{one.project}/{one.repo}/{there.id}/{entry.name.lstrip('/')}"
                info = zipfile.ZipInfo(name, now)
                info.compress_type = zipfile.ZIP_DEFLATED
                # What may be larger than a ZIP's 4 GiB has to be said before.
                with archive.open(info, "w", force_zip64=entry.size >= 1 << 31) as target:
                    while piece := content.read(_PIECE):
                        target.write(piece)


class _Out:
    """A file that can only be written, for zipfile: its pieces are sent."""

    def __init__(self, put: Callable[[bytes | None], None]) -> None:
        self._put = put
        self._kept = bytearray()

    def write(self, content: bytes) -> int:
        self._kept += content
        if len(self._kept) >= _PIECE:
            self._put(bytes(self._kept))
            self._kept.clear()
        return len(content)

    def flush(self) -> None:
        """Send nothing yet: zipfile says this after every file."""

    def close(self) -> None:
        """Send what is left."""
        if self._kept:
            self._put(bytes(self._kept))
            self._kept.clear()


class _In:
    """A file that can only be read, for tarfile: the pieces of a call."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._kept = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._kept) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._kept += piece
        found = bytes(self._kept[:size])
        del self._kept[:size]
        return found
