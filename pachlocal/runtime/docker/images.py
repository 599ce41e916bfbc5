"""Images that aren't here are pulled: once for all who wait, and not at once after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pachlocal.errors import ImageUnavailableError

from .engine import Engine, EngineError, Image

_ASK_S = 0.1  # how often somebody who waits is asked whether it still does
_RETRY_S = 10.0  # as Kubernetes, which backs off from a registry that failed


class Images:
    """The images of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}

    def find(self, name: str) -> Image:
        """Return an image that is here.

        Raises:
            ImageUnavailableError: It isn't, or Docker does not answer.
        """
        found = self._inspect(name)
        if found is None:
            raise ImageUnavailableError(f"image {name} is not here")
        return found

    def get(self, name: str, given_up: Callable[[], bool]) -> None:
        """Pull an image that is not here; return when it is, or when the caller has given up.

        Raises:
            ImageUnavailableError: It is not here and can't be pulled, or Docker does not answer.
        """
        if self._inspect(name) is not None:
            return
        pull = self._pull(name)
        while not pull.done.wait(_ASK_S):
            if given_up():
                return
        if pull.failure:
            raise ImageUnavailableError(
                f"image {name} is not here and can't be pulled: {pull.failure}"
            )

    def _inspect(self, name: str) -> Image | None:
        try:
            return self._engine.image(name)
        except EngineError as error:
            raise ImageUnavailableError(f"image {name} can't be looked for: {error}") from error

    def _pull(self, name: str) -> _Pull:
        with self._lock:
            pull = self._pulls.get(name)
            if pull is None or pull.is_old():
                pull = self._pulls[name] = _Pull()
                # A daemon that stops does not wait for it: Docker drops what is half there.
                threading.Thread(
                    target=self._run, args=(name, pull), name=f"pull {name}", daemon=True
                ).start()
        return pull

    def _run(self, name: str, pull: _Pull) -> None:
        try:
            self._engine.pull(name)
        except EngineError as error:
            pull.failure = " ".join(str(error).split())
        finally:
            pull.ended = time.monotonic()
            pull.done.set()


class _Pull:
    """A download: whether it is done, when, and why it failed."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.ended = 0.0
        self.failure = ""

    def is_old(self) -> bool:
        # After a success too: the image was there, and was removed.
        expired = time.monotonic() - self.ended > _RETRY_S
        return self.done.is_set() and (not self.failure or expired)
