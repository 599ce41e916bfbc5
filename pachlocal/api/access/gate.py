"""The check that stands before every call that a server takes."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol, TypeAlias

import grpc

_TOKEN_KEY = "authn-token"  # noqa: S105 - the name that clients of Pachyderm send it by
# What a client may ask before it has shown who it is: of what the real server leaves open, that
# which says nothing of the store. pachctl sends no token with the second.
_OPEN = frozenset({"/grpc.health.v1.Health/Check", "/versionpb_v2.API/GetVersion"})

# What the real server says; clients look for these words.
_MISSING = "no authentication token (try logging in)"
_WRONG = "provided auth token is corrupted or has expired (try logging in again)"
_CURE = "this pachlocal's user gets one by `pachlocal context`, and others from that user"

_MOST_CHECKED = 1000  # handlers that are kept: strangers can name any methods

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation = Callable[[grpc.HandlerCallDetails], "Handler | None"]


class Callers(Protocol):
    """Knows some callers without a token."""

    def made(self, context: grpc.ServicerContext) -> bool:
        """Whether one of them made a call."""


class _Checked(NamedTuple):
    """A handler, and the one that checks calls before it."""

    handler: Handler
    checked: Handler


class Gate(grpc.ServerInterceptor):
    """Refuses calls that neither carry the token nor come from a known caller."""

    def __init__(self, known: Callers | None, token: str = "", cure: str = _CURE) -> None:
        """Make it.

        Args:
            known: Who needs no token; None if nobody is.
            token: What lets any caller in; empty for nothing.
            cure: What to tell those who aren't let in.
        """
        self._known = known
        self._token = token.encode()
        self._cure = cure
        self._checked: dict[tuple[str, str], _Checked] = {}

    def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Find the handler of a call, or put the check before it; see grpc.ServerInterceptor."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method in _OPEN:
            return handler
        shown = [
            value for key, value in handler_call_details.invocation_metadata if key == _TOKEN_KEY
        ]
        if any(self._is_token(value) for value in shown):
            return handler
        return self._with_check(
            handler, handler_call_details.method, _WRONG if any(shown) else _MISSING
        )

    def _with_check(self, handler: Handler, method: str, reason: str) -> Handler:
        """Return a handler that checks a call before it begins: made once for each method."""
        made = self._checked.get((method, reason))
        if made is not None and made.handler is handler:
            return made.checked
        checked = _checked(handler, self._refuse_others(reason))
        if len(self._checked) < _MOST_CHECKED:
            self._checked[method, reason] = _Checked(handler, checked)
        return checked

    def _is_token(self, shown: str | bytes) -> bool:
        given = shown if isinstance(shown, bytes) else shown.encode(errors="replace")
        return bool(self._token) and hmac.compare_digest(given, self._token)

    def _refuse_others(self, reason: str) -> Callable[[grpc.ServicerContext], None]:
        def check(context: grpc.ServicerContext) -> None:
            if self._known is None or not self._known.made(context):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, f"{reason}: {self._cure}")

        return check


def _checked(handler: Handler, check: Callable[[grpc.ServicerContext], None]) -> Handler:
    """Return a handler that checks a call before it begins."""
    kind = "_".join(
        "stream" if streaming else "unary"
        for streaming in (handler.request_streaming, handler.response_streaming)
    )
    behaviour = getattr(handler, kind)

    @wraps(behaviour)  # it may have attributes that gRPC looks for
    def begin(request: Any, context: grpc.ServicerContext, *others: Any) -> Any:
        check(context)
        return behaviour(request, context, *others)

    make = getattr(grpc, f"{kind}_rpc_method_handler")
    result: Handler = make(begin, handler.request_deserializer, handler.response_serializer)
    return result
