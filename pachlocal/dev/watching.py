"""Tells when something in some folders is saved."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import watchfiles

_DEBOUNCE_MS = 200  # what is written in one go is one save
_STEP_MS = 20  # without another write, a save is over


class Watcher:
    """Watches folders in threads of its own, and calls back for each save."""

    def __init__(self, saved: Callable[[], None]) -> None:
        """Watch nothing yet.

        Args:
            saved: Is called, by another thread, when something was saved.
        """
        self._saved = saved
        self._watched: object = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def watch(self, flat: Iterable[Path], deep: Iterable[Path]) -> bool:
        """Watch these folders and no others; return whether those are others than before.

        Args:
            flat: Folders whose own files count.
            deep: Folders with all that is below them.
        """
        wanted = [_inodes(flat), _inodes(deep)]
        if wanted == self._watched:
            return False
        self.close()
        self._watched, self._stop = wanted, threading.Event()
        for folders, recursive in zip(wanted, (False, True), strict=True):
            if folders:
                thread = threading.Thread(
                    target=self._run, args=([*folders], self._stop, recursive), daemon=True
                )
                thread.start()
                self._threads.append(thread)
        return True

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _run(self, folders: Sequence[Path], stop: threading.Event, recursive: bool) -> None:
        try:
            for _ in watchfiles.watch(
                *folders,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                rust_timeout=500,
                stop_event=stop,
                recursive=recursive,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._saved()
        except OSError:
            self._saved()  # a folder has gone just now: whoever looks will see


def _inodes(folders: Iterable[Path]) -> dict[Path, int]:
    """Return the inodes of those folders that are there."""
    found = {}
    for folder in folders:
        try:
            status = folder.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            found[folder] = status.st_ino
    return found
