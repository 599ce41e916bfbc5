"""Who gets to the front: requests of the user's own page, or with the token; nothing else.

A page of another site can send requests here, or have its name point here (DNS rebinding). So the
Host has to be one of ours, what a browser says of a request's origin has to be our page, and
nothing is read or changed without the token. A browser has it as a cookie, which the link sets
that is printed at the start; other clients send it. There is no CORS.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE = ("GET", "HEAD")
_OPEN = ("/healthz", "/console/", "/favicon.ico")
"""What holds no data, and is for everybody who got so far."""

_PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "frame-src 'self'",  # stored pages, each under _FILE_POLICY
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# A stored file may be any page: it gets an origin of its own, and can run nothing.
_FILE_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)

_HOW_IN = (
    "Open the link that `pachlocal up` or `pachlocal console` printed (`pachlocal status` shows it "
    "again), or send the token in it as a header: Authorization: Bearer TOKEN\n"
)


@dataclass(frozen=True, slots=True)
class Pass:
    """What lets requests in.

    Attributes:
        origins: The addresses by which the front is known, like http://127.0.0.1:30080.
        token: The secret of the page.
        session_token: The server's own token, by which clients of it may come as well.
        cookie: The name of the cookie; cookies don't tell ports apart, so it does.
    """

    origins: frozenset[str]
    token: str
    session_token: str
    cookie: str

    @property
    def hosts(self) -> frozenset[str]:
        """The values that the header Host may have."""
        return frozenset(origin.partition("://")[2] for origin in self.origins)

    @property
    def is_secure(self) -> bool:
        """Whether the front is reached by TLS only."""
        return all(origin.startswith("https:") for origin in self.origins)


class Guard:
    """Lets in what may come in, and says to browsers what a page may do."""

    def __init__(self, app: ASGIApp, needed: Pass) -> None:
        self._app = app
        self._needed = needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        refusal = _malformed(request) or self._refusal(request)
        answer: ASGIApp = refusal if refusal is not None else self._app
        if refusal is None:
            _forget_secrets(scope, self._needed)
        await answer(scope, receive, _protected(request, send))

    def _refusal(self, request: Request) -> Response | None:
        needed, headers = self._needed, request.headers
        if len(headers.getlist("host")) != 1 or headers["host"].lower() not in needed.hosts:
            return _refuse(403, "This host isn't served here.")
        if not _is_of_this_site(headers, needed) and not _is_visit(request):
            return _refuse(403, "Requests of other sites are refused.")
        path = request.url.path
        if request.method in _SAFE and path.startswith(_OPEN):
            return None
        if request.method in _SAFE and self._is_token(request.query_params.get("token", "")):
            return self._let_in(request)
        if any(self._is_token(word) for word in _sent(request)):
            return None
        if not any(self._is_token(word) for word in _cookies(headers, needed.cookie)):
            return _refuse(401, _HOW_IN)
        # A browser adds its cookie by itself, so a change has to come from our page.
        if request.method not in _SAFE and "origin" not in headers:
            return _refuse(403, "A request with the cookie must have an Origin.")
        return None

    def _is_token(self, word: str) -> bool:
        known = (self._needed.token, self._needed.session_token)
        given = word.encode()
        return any(one and hmac.compare_digest(given, one.encode()) for one in known)

    def _let_in(self, request: Request) -> Response:
        """Give a browser the cookie, and take the token out of its address."""
        query = [pair for pair in parse_qsl(request.url.query) if pair[0] != "token"]
        rest = f"?{urlencode(query)}" if query else ""
        # What begins with two slashes would be another host.
        answer = RedirectResponse("/" + request.url.path.lstrip("/") + rest, 303)
        answer.set_cookie(
            self._needed.cookie,
            self._needed.token,
            max_age=400 * 24 * 3600,  # as long as browsers keep any
            httponly=True,
            samesite="strict",
            secure=self._needed.is_secure,
        )
        return answer


def _refuse(status: int, line: str) -> Response:
    return Response(line if line.endswith("\n") else f"{line}\n", status, media_type="text/plain")


def _malformed(request: Request) -> Response | None:
    """Refuse what a proxy may read otherwise than we do, or sends that takes us for another."""
    if not request.scope["path"].startswith("/"):
        return _refuse(400, "A request has to name a path: this is no proxy.")
    if "transfer-encoding" in request.headers and "content-length" in request.headers:
        answer = _refuse(400, "A request has either a Transfer-Encoding or a Content-Length.")
        answer.headers["connection"] = "close"
        return answer
    return None


def _is_of_this_site(headers: Headers, needed: Pass) -> bool:
    """Whether a browser, if it is one, says that our own page or its user asks."""
    origins = headers.getlist("origin")
    if any(origin not in needed.origins for origin in origins):
        return False
    if any(site not in ("none", "same-origin") for site in headers.getlist("sec-fetch-site")):
        return False
    referers = filter(None, headers.getlist("referer"))
    return bool(origins) or all(_origin(referer) in needed.origins for referer in referers)


def _is_visit(request: Request) -> bool:
    """Whether somebody follows a link to the page, which holds no data itself."""
    headers = request.headers
    return (
        request.method in _SAFE
        and "origin" not in headers
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and request.url.path == "/"
    )


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _sent(request: Request) -> list[str]:
    """Return the tokens that a client sends by itself; a browser never does for another site."""
    kind, _, word = request.headers.get("authorization", "").partition(" ")
    return [
        word.strip() if kind.lower() == "bearer" else "",
        request.headers.get("authn-token", ""),
        request.query_params.get("authn-token", ""),  # as Pachyderm's file server takes it
    ]


def _cookies(headers: Headers, name: str) -> list[str]:
    """Return the values of a cookie.

    Other programs of this machine set cookies for the same host, in whatever form: they stand
    beside ours, or even under its name, and must not hide it.
    """
    pairs = (pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _forget_secrets(scope: Scope, needed: Pass) -> None:
    """Take out what only lets a request in here: it is nothing that the server should see."""
    own = needed.token.encode()
    scope["headers"] = [
        (name, value)
        for name, value in scope["headers"]
        if name != b"cookie" and not (name in (b"authorization", b"authn-token") and own in value)
    ]
    pairs = scope["query_string"].split(b"&")
    scope["query_string"] = b"&".join(pair for pair in pairs if own not in pair)


def _protected(request: Request, send: Send) -> Send:
    policy = _FILE_POLICY if request.url.path.startswith("/pfs/") else _PAGE_POLICY

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("content-security-policy", policy)
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "no-referrer"
            headers["cross-origin-resource-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return protected
