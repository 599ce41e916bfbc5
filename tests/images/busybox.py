"""Images made on the spot of a busybox that needs no libraries: tests need no registry."""

from __future__ import annotations

import gc
import io
import os
import shutil
import tarfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

APPLETS = (
    "sh cat chown cp echo env false head id ls mkdir rm setsid sleep tail touch tr true wc yes"
)
USERS = "root:x:0:0::/root:/bin/sh\nguest:x:1234:77::/home/guest:/bin/sh\n"


def connect(host: str | None = None) -> Any:
    """Connects to Docker; without it the test is skipped, or fails where it must not be missing."""
    where = dict(os.environ) if host is None else {**os.environ, "DOCKER_HOST": host}
    try:
        return docker.from_env(version="auto", timeout=60, environment=where).api
    except docker.errors.DockerException as error:
        reason = f"Docker does not answer: {error}"
    with warnings.catch_warnings():
        # The SDK leaves the socket open; whichever test ran when that is noticed would fail.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return missing(reason)


def program() -> bytes:
    """Returns a busybox without libraries."""
    place = shutil.which("busybox")
    content = Path(place).read_bytes() if place else b""
    if not content or b"ld-linux" in content[:8192] or b"ld-musl" in content[:8192]:
        return missing("no static busybox on PATH (Debian: busybox-static)")
    return content


class Images:
    """Makes images with names that no other test has, and removes them."""

    def __init__(self, host: str | None = None) -> None:
        self._content = program()
        self.api = connect(host)
        self._names: set[str] = set()

    def filesystem(self, applets: str = APPLETS, more: bytes = b"") -> bytes:
        """Returns a tar archive of some of busybox's programs in /bin, and of a file /more."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                tar.addfile(entry)
            files = [("bin/busybox", self._content, 0o755), ("etc/passwd", USERS.encode(), 0o644)]
            if more:
                files.append(("more", more, 0o644))
            for path, content, mode in files:
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(content), mode
                tar.addfile(entry, io.BytesIO(content))
            for applet in applets.split():
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
        return data.getvalue()

    def make(self, *changes: str, applets: str = APPLETS, name: str = "") -> str:
        """Makes an image with some of busybox's programs; changes are lines of a Dockerfile."""
        name = name or f"pachlocal-test-{uuid.uuid4().hex[:12]}:made"
        content = self.filesystem(applets)
        self.api.import_image_from_data(
            content, *name.split(":"), changes=["ENV PATH=/bin", *changes]
        )
        self._names.add(name)
        return name

    def has(self, name: str) -> bool:
        """Says whether an image is here."""
        try:
            self.api.inspect_image(name)
        except docker.errors.ImageNotFound:
            return False
        return True

    def end(self) -> None:
        for name in self._names:
            self.api.remove_image(name, force=True)
        self.api.close()


@contextmanager
def images() -> Iterator[Images]:
    made = Images()
    try:
        yield made
    finally:
        made.end()


def missing(reason: str) -> Any:
    """Skips the test, or fails it where nothing must be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
