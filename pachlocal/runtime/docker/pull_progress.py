"""How far the download of an image is, from the events that Docker tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MB = 1_000_000  # as Docker itself counts
_BEGUN = "Pulling fs layer"
_DOWNLOADING = "Downloading"
_DONE = ("Pull complete", "Already exists")


class PullProgress:
    """Counts the layers of one image, and their bytes."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._layers: set[str] = set()
        self._done: set[str] = set()
        self._bytes: dict[str, int] = {}

    def after(self, event: Mapping[str, Any]) -> str:
        """Take note of an event, and return how far it is; empty while no layer is known.

        Args:
            event: As `POST /images/create` of Docker's API sends it.
        """
        status, layer = event.get("status"), str(event.get("id", ""))
        if status in (_BEGUN, *_DONE):
            self._layers.add(layer)
        if status in _DONE:
            self._done.add(layer)
        if status == _DOWNLOADING:  # other steps of a layer count the same bytes once more
            self._bytes[layer] = int(event.get("progressDetail", {}).get("current", 0))
        if not self._layers:
            return ""
        megabytes = sum(self._bytes.values()) / _MB
        return f"{len(self._done)} of {len(self._layers)} layers, {megabytes:.0f} MB"
