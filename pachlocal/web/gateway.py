"""POST /api/<service>/<method>: the gRPC API as JSON, in the form of grpc-gateway v2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from pachlocal.proto.limits import MAX_MESSAGE
from pachlocal.web import metadata as meta
from pachlocal.web.jsonpb import from_json, writer
from pachlocal.web.methods import Method, find_method
from pachlocal.web.statuses import answer, error_json, failure, http_status
from pachlocal.web.upstream import Upstream

_LONGEST = 2 * MAX_MESSAGE  # characters of one request: base64 makes bytes longer
_AHEAD = 1 << 20  # characters that are written while the client hasn't taken those before


class Gateway:
    """Serves the calls of one server."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def serve(self, request: Request) -> Response:
        """Make a call."""
        service, name = request.path_params["service"], request.path_params["method"]
        if request.method != "POST":
            return answer(grpc.StatusCode.UNIMPLEMENTED, "Method Not Allowed")
        pairs = meta.of_request(request, self._upstream.settings.token)
        timeout = meta.timeout_s(request)
        method = find_method(service, name)
        if method is None:
            return await self._unknown(f"/{service}/{name}", pairs)
        try:
            if method.client_streaming:
                requests: Any = _Requests(request, method.request)
            else:
                requests = _parse(await _body(request), method.request)
            call = self._start(method, requests, pairs, timeout)
            if method.server_streaming:
                return await _stream(call, method)
            response = await call
            headers = meta.as_headers(await call.initial_metadata())
        except _BadRequestError as problem:
            return answer(grpc.StatusCode.INVALID_ARGUMENT, str(problem))
        except grpc.aio.AioRpcError as problem:
            return failure(problem)
        except ClientDisconnect:
            return answer(grpc.StatusCode.CANCELLED, "the client has gone")
        except asyncio.CancelledError:
            if method.client_streaming and requests.problem:  # gRPC has cancelled the call for it
                return answer(grpc.StatusCode.INVALID_ARGUMENT, requests.problem)
            raise
        text = writer(method.response.DESCRIPTOR)(response)
        return Response(text, media_type="application/json", headers=headers)

    def _start(
        self, method: Method, requests: Any, pairs: meta.Pairs, timeout: float | None
    ) -> Any:
        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): self._upstream.channel.unary_unary,
            (False, True): self._upstream.channel.unary_stream,
            (True, False): self._upstream.channel.stream_unary,
            (True, True): self._upstream.channel.stream_stream,
        }
        call = kinds[method.client_streaming, method.server_streaming](
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return call(requests, timeout=timeout, metadata=pairs)

    async def _unknown(self, path: str, pairs: meta.Pairs) -> Response:
        """Answer a call that we have no form for.

        Pachlocal says of each call that it doesn't serve why, and what to do. A cluster may serve
        it, and must not be asked to do what nobody meant.
        """
        if not await self._upstream.has_local(pairs):
            return answer(grpc.StatusCode.NOT_FOUND, "Not Found")
        call: Any = self._upstream.channel.unary_unary(path)
        try:
            await call(b"", metadata=pairs)
        except grpc.aio.AioRpcError as problem:
            return failure(problem)
        return answer(grpc.StatusCode.NOT_FOUND, "Not Found")


class _BadRequestError(Exception):
    """The body is not a request of the call."""


async def _body(request: Request) -> str:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _LONGEST:
            raise _BadRequestError(f"the request is longer than {_LONGEST} bytes")
        parts.append(part)
    return _text(b"".join(parts))


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        raise _BadRequestError(f"the request is not UTF-8: {problem}") from None


def _parse(text: str, kind: type[Message]) -> Message:
    if not text.strip():
        return kind()  # as grpc-gateway takes a request without a body
    try:
        return from_json(text, kind)
    except (json_format.ParseError, RecursionError) as problem:
        raise _BadRequestError(str(problem) or "the request is nested too deeply") from None


class _Requests:
    """The requests of a client's stream: JSON values one after the other.

    Attributes:
        problem: Why it broke off, for the client; empty when it didn't.
    """

    def __init__(self, request: Request, kind: type[Message]) -> None:
        self._request = request
        self._kind = kind
        self.problem = ""

    async def __aiter__(self) -> AsyncIterator[Message]:
        try:
            async for text in _values(self._request):
                yield _parse(text, self._kind)
        except _BadRequestError as problem:
            self.problem = str(problem)
            raise  # gRPC cancels the call: what was sent before must not count
        except ClientDisconnect:
            self.problem = "the client has gone"
            raise


async def _values(request: Request) -> AsyncIterator[str]:
    """Yield the JSON values of a body as they come."""
    kept = b""
    decoder = json.JSONDecoder()
    async for part in request.stream():
        kept += part
        if len(kept) > _LONGEST:
            raise _BadRequestError(f"a request is longer than {_LONGEST} bytes")
        *lines, kept = kept.split(b"\n")
        held = ""
        for line in lines:
            held += _text(line)
            for value in _whole(decoder, held):
                yield value[0]
                held = value[1]
        kept = held.encode() + (b"\n" if held else b"") + kept
    text = _text(kept)
    for value in _whole(decoder, text):
        yield value[0]
        text = value[1]
    if text.strip():
        raise _BadRequestError("unexpected EOF")


def _whole(decoder: json.JSONDecoder, text: str) -> list[tuple[str, str]]:
    """Return the values that a text begins with, each with what follows it."""
    found = []
    while text := text.lstrip():
        try:
            _, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            break
        found.append((text[:end], text[end:]))
        text = text[end:]
    return found


async def _stream(call: Any, method: Method) -> Response:
    """Return an answer in lines; whether it fails at once shows in its status."""
    write = writer(method.response.DESCRIPTOR)
    try:
        first = await call.read()
    except grpc.aio.AioRpcError as problem:
        line = _error(problem)
        return Response(line, http_status(problem.code()), media_type="application/json")
    except asyncio.CancelledError:
        call.cancel()
        raise
    if first is grpc.aio.EOF:
        return Response(b"", media_type="application/json")
    lines = _Lines(call, write, first)
    headers = meta.as_headers(await call.initial_metadata())
    return StreamingResponse(lines.parts(), media_type="application/json", headers=headers)


def _error(problem: grpc.aio.AioRpcError) -> str:
    return json.dumps({"error": error_json(problem)}) + "\n"


class _Lines:
    """The lines of a stream. What is there is sent at once, in one piece however much it is."""

    def __init__(self, call: Any, write: Any, first: Message) -> None:
        self._call = call
        self._write = write
        self._lines: list[str] = []
        self._size = 0
        self._ended = False
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._add(f'{{"result":{write(first)}}}\n')

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)
        self._came.set()

    async def parts(self) -> AsyncIterator[bytes]:
        reading = asyncio.create_task(self._read())
        try:
            while not self._ended or self._lines:
                await self._came.wait()
                part = "".join(self._lines)
                self._lines.clear()
                self._size = 0
                self._room.set()
                if not self._ended:
                    self._came.clear()
                if part:
                    yield part.encode()
        finally:
            reading.cancel()
            self._call.cancel()

    async def _read(self) -> None:
        write, call, end = self._write, self._call, grpc.aio.EOF
        try:
            while (message := await call.read()) is not end:
                self._add(f'{{"result":{write(message)}}}\n')
                while self._size > _AHEAD:
                    self._room.clear()
                    await self._room.wait()
        except grpc.aio.AioRpcError as problem:
            self._add(_error(problem))
        finally:
            self._ended = True
            self._came.set()
