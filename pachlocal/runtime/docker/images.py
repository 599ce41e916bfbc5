"""Images that aren't here are pulled: once for all who wait, and not at once after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pachlocal.errors import EngineError, ImageUnavailableError, NoAnswerError

from ..contract import untold
from .engine import Engine
from .records import Image

_ASK_S = 0.1  # how often somebody who waits is asked whether it still does
_RETRY_S = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)  # Kubernetes backs off from a registry so


class Images:
    """The images of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._pulls: dict[str, _Pull] = {}

    def find(self, name: str) -> Image:
        """Return an image that is here.

        Raises:
            ImageUnavailableError: It isn't.
            NoAnswerError: Docker does not answer.
        """
        found = self._inspect(name)
        if found is None:
            raise ImageUnavailableError(f"image {name} is not here")
        return found

    def get(
        self, name: str, given_up: Callable[[], bool], tell: Callable[[str], None] = untold
    ) -> bool:
        """Pull an image that is not here; return when it is, or when the caller has given up.

        Args:
            name: The image.
            given_up: Asked now and then while it is pulled.
            tell: Is told how far that is, now and then.

        Returns:
            Whether it is here.

        Raises:
            ImageUnavailableError: It is not here and can't be pulled.
            NoAnswerError: Docker does not answer.
        """
        if self._inspect(name) is not None:
            return True
        pull = self._pull(name)
        doing = f"pulling image {name}"
        while not pull.done.wait(_ASK_S):
            if given_up():
                return False
            if not pull.failures:  # else why it failed is what is to be read
                tell(doing)
            doing = f"pulling image {name}: {pull.progress}" if pull.progress else doing
        if pull.failure:
            raise ImageUnavailableError(
                f"image {name} is not here and can't be pulled: {pull.failure}"
            )
        return True

    def _inspect(self, name: str) -> Image | None:
        try:
            return self._engine.image(name)
        except NoAnswerError:
            raise
        except EngineError as error:
            raise ImageUnavailableError(f"image {name} can't be looked for: {error}") from error

    def _pull(self, name: str) -> _Pull:
        with self._lock:
            pull = self._pulls.get(name)
            if pull is None or pull.is_old():
                failures = pull.failures if pull is not None else 0
                pull = _Pull(failures)
                # A daemon that stops does not wait for it: Docker drops what is half there.
                threading.Thread(
                    target=self._run, args=(name, pull), name=f"pull {name}", daemon=True
                ).start()  # fails where there is no room for a thread
                self._pulls[name] = pull
        return pull

    def _run(self, name: str, pull: _Pull) -> None:
        try:
            for progress in self._engine.pull(name):
                pull.progress = progress
        except EngineError as error:
            pull.failure = " ".join(str(error).split())
            pull.failures += 1
        else:
            pull.failures = 0
        finally:
            pull.ended = time.monotonic()
            pull.done.set()


class _Pull:
    """A download: how far it is, whether it is done, when, why it failed, and how many in a row."""

    def __init__(self, failures: int) -> None:
        self.done = threading.Event()
        self.progress = ""
        self.ended = 0.0
        self.failure = ""
        self.failures = failures

    def is_old(self) -> bool:
        # After a success too: the image was there, and was removed.
        if not self.done.is_set():
            return False
        pause_s = _RETRY_S[min(self.failures, len(_RETRY_S)) - 1]
        return not self.failure or time.monotonic() - self.ended > pause_s
