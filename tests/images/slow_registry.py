"""A registry with one image, whose layer comes in two halves: the second when it is let go."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LIMIT_S = 60.0
_TYPES = "application/vnd.docker"
_MANIFEST = f"{_TYPES}.distribution.manifest.v2+json"


class SlowRegistry:
    """Serves an image over HTTP, which Docker takes of addresses in 127.0.0.0/8.

    Attributes:
        image: Its name.
        half: Set when the first half of the layer has been sent.
        go: Lets the second half follow.
    """

    def __init__(self, filesystem: bytes, env: Mapping[str, str]) -> None:
        self.half, self.go = threading.Event(), threading.Event()
        self._layer = gzip.compress(filesystem)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": [f"{name}={value}" for name, value in env.items()]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(filesystem)]},
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _part("container.image.v1+json", config),
            "layers": [_part("image.rootfs.diff.tar.gzip", self._layer)],
        }
        self._manifest = json.dumps(manifest).encode()
        self._blobs = {_digest(blob): blob for blob in (config, self._layer)}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                registry.answer(self, with_body=False)

            def do_GET(self) -> None:
                registry.answer(self, with_body=True)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.image = f"127.0.0.1:{self.server.server_port}/slow:1"

    def answer(self, request: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        kind, _, digest = request.path.removeprefix("/v2/slow/").partition("/")
        body = self._manifest if kind == "manifests" else self._blobs.get(digest, b"")
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Type", _MANIFEST if kind == "manifests" else "text/plain")
        request.send_header("Docker-Content-Digest", _digest(body))
        request.end_headers()
        if not with_body:
            return
        if body is not self._layer:
            request.wfile.write(body)
            return
        middle = len(body) // 2
        request.wfile.write(body[:middle])
        self.half.set()
        self.go.wait(_LIMIT_S)
        request.wfile.write(body[middle:])


@contextmanager
def slow_registry(filesystem: bytes, env: Mapping[str, str]) -> Iterator[SlowRegistry]:
    """Serves while the block lasts.

    Args:
        filesystem: The image's files, as a tar archive.
        env: Its variables.
    """
    registry = SlowRegistry(filesystem, env)
    thread = threading.Thread(target=registry.server.serve_forever)
    thread.start()
    try:
        yield registry
    finally:
        registry.go.set()
        registry.server.shutdown()
        registry.server.server_close()
        thread.join()


def _part(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": f"{_TYPES}.{kind}", "size": len(content), "digest": _digest(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
