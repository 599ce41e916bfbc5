"""Checks, collections, deletions and puts side by side: nothing acknowledged is lost.

Each actor is a thread, and one of them runs at a time: at each step of the store (a statement, a
transaction) it is chosen who goes on. So Hypothesis finds the order in which something goes wrong,
and finds it again.
"""

from __future__ import annotations

import os
import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pfs_builders import head, make_commit, make_repos, repo, shown

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import repos
from pachlocal.pfs.history.names import BranchName
from pachlocal.pfs.upkeep.check import fsck
from pachlocal.pfs.upkeep.collection import collect_garbage
from pachlocal.storage.database import Database
from pachlocal.storage.objects import ObjectStore

CONTENTS = (b"", b"a", b"b", b"c" * 70_000, b"d" * 70_000)  # what several have is stored once
PATHS = ("/f", "/d/f", "/d/g")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - for many new stores
_HANG_S = 60.0

Action: TypeAlias = "tuple[str, ...] | tuple[str, str, bytes]"

PUT = st.tuples(st.just("put"), st.sampled_from(PATHS), st.sampled_from(CONTENTS))
OTHER = st.sampled_from([("check",), ("renew",), ("collect",), ("plan",)])
ACTION = st.one_of(PUT, OTHER, OTHER)


class Stage:
    """Lets one actor run at a time, from one gate to the next."""

    def __init__(self) -> None:
        self._here = threading.local()
        self._moved: queue.SimpleQueue[BaseException | bool] = queue.SimpleQueue()

    def gate(self) -> None:
        """Waits for the next turn; who holds a lock goes on."""
        turn = getattr(self._here, "turn", None)
        if turn is not None and not self._here.locks:
            self._moved.put(True)
            turn.acquire()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """What the block does holds a lock."""
        self._here.locks = getattr(self._here, "locks", 0) + 1
        try:
            yield
        finally:
            self._here.locks -= 1

    def play(self, actors: list[Callable[[], None]], chance: random.Random) -> None:
        """Runs all actors to their ends."""
        turns = [threading.Semaphore(0) for _ in actors]
        threads = [
            threading.Thread(target=self._act, args=(actor, turn), daemon=True)
            for actor, turn in zip(actors, turns, strict=True)
        ]
        for thread in threads:
            thread.start()
        errors = []
        patience = chance.choice([2, 10, 50, 250])  # some overtake others by whole actions
        turn = turns[0]
        while turns:
            if turn not in turns or not chance.randrange(patience):
                turn = chance.choice(turns)
            turn.release()
            moved = self._moved.get(timeout=_HANG_S)
            if moved is not True:
                turns.remove(turn)
            if isinstance(moved, BaseException):
                errors.append(moved)
        for thread in threads:
            thread.join(_HANG_S)
        if errors:
            raise errors[0]

    def _act(self, actor: Callable[[], None], turn: threading.Semaphore) -> None:
        turn.acquire()
        self._here.turn, self._here.locks = turn, 0
        try:
            actor()
        except BaseException as error:
            self._moved.put(error)
        else:
            self._moved.put(False)


class PatientLock:
    """Lets others go on while somebody waits for it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        while not self._lock.acquire(blocking=False):
            self._stage.gate()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Owner:
    """Works on a repo of its own, and knows what must be in it."""

    def __init__(self, files: FileSystem, name: str, actions: list[Action]) -> None:
        self._files = files
        self._name = name
        self._actions = actions
        self._content: dict[str, bytes] = {}
        make_repos(files, name)

    def act(self) -> None:
        for action, *arguments in self._actions:
            getattr(self, action)(*arguments)
            self.verify()

    def put(self, path: str, content: bytes) -> None:
        make_commit(self._files, BranchName(repo(self._name), "master"), {path: content})
        self._content[path] = content

    def renew(self) -> None:
        """Deletes the repo, and makes it again with what was in it."""
        self.end()
        self.collect()
        make_repos(self._files, self._name)
        for path, content in self._content.items():
            self.put(path, content)

    def collect(self) -> None:
        collect_garbage(self._files, dry_run=False)

    def plan(self) -> None:
        collect_garbage(self._files, dry_run=True)

    def check(self) -> None:
        assert list(fsck(self._files)) == []

    def verify(self) -> None:
        if self._content:
            commit = head(self._files, BranchName(repo(self._name), "master"))
            assert shown(self._files, commit) == self._content

    def end(self) -> None:
        with self._files.transaction() as tx:
            repos.delete_repo(tx, repo(self._name), force=False)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A gate before whatever reads or writes the store."""
    stage = Stage()

    def gated(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            stage.gate()
            return method(*arguments, **options)

        return call

    def gated_and_locked(method: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def call(*arguments: Any, **options: Any) -> Iterator[Any]:
            stage.gate()
            with stage.locked(), method(*arguments, **options) as connection:
                yield connection

        return call

    def discard(objects: ObjectStore, names: list[bytes]) -> None:
        with stage.locked():
            original(objects, names)

    original = ObjectStore.discard
    for name in ("read", "query"):
        monkeypatch.setattr(Database, name, gated(getattr(Database, name)))
    for name in ("write", "preview"):
        monkeypatch.setattr(Database, name, gated_and_locked(getattr(Database, name)))
    monkeypatch.setattr(ObjectStore, "discard", discard)
    monkeypatch.setattr("pachlocal.pfs.upkeep.collection._WRITERS_TIMEOUT_S", 0.001)
    monkeypatch.setattr("pachlocal.storage.object_writer._FLUSH_OBJECTS", 0)  # as a large put does
    return stage


@pytest.mark.parametrize(
    "examples", [20, pytest.param(80, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_what_is_acknowledged_stays(stage: Stage, examples: int) -> None:
    @settings(deadline=None, max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(
        actions=st.lists(st.lists(ACTION, min_size=1, max_size=4), min_size=2, max_size=3),
        chance=st.randoms(use_true_random=False),
    )
    def play(actions: list[list[Action]], chance: random.Random) -> None:
        play_on_a_new_store(stage, actions, chance)

    play()


def play_on_a_new_store(stage: Stage, actions: list[list[Action]], chance: random.Random) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder, closing(FileSystem(Path(folder))) as files:
        files.objects.collecting = PatientLock(stage)  # type: ignore[assignment]
        owners = [Owner(files, f"r{number}", mine) for number, mine in enumerate(actions)]
        stage.play([owner.act for owner in owners], chance)
        for owner in owners:
            owner.check()
            owner.collect()
            owner.verify()
        assert list(fsck(files)) == []
        for owner in owners:
            owner.end()
        collect_garbage(files, dry_run=False)
        assert list(files.objects.names()) == []
