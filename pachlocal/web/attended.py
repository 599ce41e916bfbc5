"""Ends the work for an answer that nobody waits for any more."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Attended:
    """Cancels what answers a request when its client goes before the answer begins.

    A call may wait for days, like that for a branch's next commit, and nothing else would end it.
    An answer that has begun is ended by Starlette.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        answering = asyncio.current_task()
        if scope["type"] != "http" or answering is None:
            await self._app(scope, receive, send)
            return
        whole = asyncio.Event()  # until then it is the application that reads, and sees it
        headers = Headers(scope=scope)
        read: list[Message] = []
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            read.append(await receive())  # the application may not ask for a body that is empty
            whole.set()

        async def received() -> Message:
            message = read.pop() if read else await receive()
            if not message.get("more_body"):
                whole.set()
            return message

        async def watch() -> None:
            await whole.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            answering.cancel()

        watching = asyncio.create_task(watch())

        async def sent(message: Message) -> None:
            watching.cancel()
            await send(message)

        try:
            await self._app(scope, received, sent)
        except asyncio.CancelledError:
            if not watching.done() or watching.cancelled():
                raise
        finally:
            watching.cancel()
