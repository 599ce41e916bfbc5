"""The call of pachlocal.v1.Local that tells of changes, to those who show what is in the store."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import TypeAlias

from pachlocal.api.service import Context
from pachlocal.api.waiting_calls import Steps, waits
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import topics as history
from pachlocal.pps.tables import topics
from pachlocal.proto import local_pb2
from pachlocal.storage.change_notifier import Relay, Topic, Watch

_Kind: TypeAlias = "local_pb2.Kind.ValueType"

_TOPICS: dict[_Kind, list[Topic]] = {
    local_pb2.PROJECTS: history.of_projects(),
    local_pb2.REPOS: history.of_repos(),
    local_pb2.COMMITS: history.of_all_commits(),
    local_pb2.PIPELINES: topics.of_pipelines(),
    local_pb2.JOBS: topics.of_all_jobs(),
    local_pb2.DATUMS: [topics.datums()],
}


class ChangeCalls:
    """pachlocal.v1.Local: what changes."""

    files: FileSystem

    @waits
    def subscribe_changes(
        self, request: local_pb2.SubscribeChangesRequest, context: Context
    ) -> Steps[local_pb2.Changes]:
        """Yield the kinds of what has changed; who is slow gets several in one message."""
        notifier = self.files.database.notifier
        changed = _Changed()
        with ExitStack() as ending:
            for kind in set(request.kinds or _TOPICS) & set(_TOPICS):
                relay = Relay(partial(changed.note, kind))
                notifier.add(relay, _TOPICS[kind])
                ending.callback(notifier.remove, relay, _TOPICS[kind])
            yield local_pb2.Changes()
            while True:
                if kinds := changed.take():
                    yield local_pb2.Changes(kinds=kinds)
                else:
                    yield changed.watch


class _Changed:
    """The kinds that have changed since they were last taken. Any thread may use it."""

    def __init__(self) -> None:
        self.watch = Watch()
        self._lock = threading.Lock()
        self._kinds: set[_Kind] = set()

    def note(self, kind: _Kind) -> None:
        """Take note of a change."""
        with self._lock:
            self._kinds.add(kind)
        self.watch.wake()

    def take(self) -> list[_Kind]:
        """Return the kinds, and forget them."""
        with self._lock:
            kinds, self._kinds = self._kinds, set()
        return sorted(kinds)
