"""Retries what keeps a pipeline from running, and shows it in the state if that doesn't help."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pachlocal.errors import ImageUnavailableError, PortUnavailableError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.planning.plan import CANT_PLAN
from pachlocal.pps.spec.states import PipelineState
from pachlocal.pps.tables import pipelines
from pachlocal.pps.tables.pipelines import PipelineInfo

_log = logging.getLogger(__name__)

_PAUSES_S = (0.1, 1.0, 2.0, 5.0)  # before the next try
_PROGRESS_S = 1.0  # between two changes of what the state says of work that takes long
_PROOF_S = 2.0  # a program that has run so long shows that the machine is well
_CERTAIN = (ImageUnavailableError, PortUnavailableError)


class PipelineHealth:
    """Has a pipeline's state follow what its runner and workers meet. Any thread may use it."""

    def __init__(self, files: FileSystem, pipeline: PipelineInfo) -> None:
        """Begin with what the state says."""
        self._files = files
        self._pipeline = pipeline
        self._told = pipeline.reason
        self._cant_plan = self._told if self._told.startswith(CANT_PLAN) else ""
        self._found: dict[str, str] = {}
        self._doing = ""
        self._doing_at = 0.0
        self._telling = threading.Lock()

    @property
    def has_problem(self) -> bool:
        """Whether something is known that keeps it from running, and may pass by itself."""
        return bool(self._found) or self._told not in ("", self._cant_plan)

    def report(self, problem: str, place: str = "") -> None:
        """Say what the problem is in some place; empty when there is none there any more."""
        with self._telling:
            self._found.pop(place, None)
            if problem:
                self._found[place] = problem
            self._tell()

    def report_planning(self, problem: str) -> None:
        """Say why the last job could not be planned; empty when it could.

        That doesn't pass by itself, nor with a restart: only with other data, or another spec.
        """
        with self._telling:
            self._cant_plan = problem
            self._tell()

    def clear(self) -> None:
        """Say that nothing is known of the machine that keeps it from running."""
        with self._telling:
            self._found.clear()
            self._tell()

    @contextmanager
    def preparing(self, tell: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
        """Let the state say how far an image is while the block makes it ready.

        Args:
            tell: Writes a line to the pipeline's log: for the beginning and the end.

        Yields:
            What is to be told how far it is.
        """
        began: list[tuple[str, float]] = []

        def show(doing: str) -> None:
            if not began:
                began.append((doing, time.monotonic()))
                tell(doing)
            self._report_doing(doing)

        try:
            yield show
            for doing, since in began:
                tell(f"{doing}: done after {time.monotonic() - since:.1f} seconds")
        finally:
            self._report_doing("")

    def _report_doing(self, doing: str) -> None:
        with self._telling:
            now = time.monotonic()
            if doing and self._doing and now - self._doing_at < _PROGRESS_S:
                return
            self._doing, self._doing_at = doing, now
            self._tell()

    def _tell(self) -> None:
        found = self._found.values()
        problem = self._told if self._told in found else next(iter(found), self._cant_plan)
        problem = self._doing or problem
        if problem == self._told:
            return
        try:
            if problem:
                self._files.database.reserve.spend_if_full(lambda: self._store(problem))
            else:
                self._store(problem)
        except (sqlite3.Error, OSError) as error:  # it may be the very problem; said later
            _log.error(
                "pipeline %s: %s, and that can't be stored: %s",
                self._pipeline.spec.repo,
                problem or "all is well",
                error,
            )
        else:
            self._told = problem

    def _store(self, problem: str) -> None:
        state = PipelineState.CRASHING if problem else PipelineState.RUNNING
        if problem and problem == self._doing:
            state = PipelineState.STARTING
        with self._files.transaction() as tx:
            pipelines.report(tx, self._pipeline.key, self._pipeline.version, state, problem)


class Recovery:
    """One place of work, and the failures that it has met in a row. One thread at a time.

    The first failure may be a hiccup, and only costs a moment. From the second one on the pipeline
    is `crashing`, with the reason, until work gets on again here.
    """

    def __init__(self, health: PipelineHealth, place: str, tell: Callable[[str], None]) -> None:
        """Begin without failures.

        Args:
            health: What the pipeline's state is told by.
            place: The worker, or whatever else is at work: what it reports is its own.
            tell: Writes a line to the pipeline's log.
        """
        self._health = health
        self._place = place
        self._tell = tell
        self._failures = 0
        self._said = ""

    def failed(self, error: BaseException, reason: str) -> float:
        """Take note of a failure.

        Args:
            error: What was raised.
            reason: What is wrong with the machine, in words.

        Returns:
            How long to wait before the next try (s).
        """
        pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1
        if reason != self._said:
            self._tell(f"{reason}; this isn't counted as a try, and is tried again")
            self._said = reason
        if self._failures > 1 or isinstance(error, _CERTAIN):
            self._health.report(reason, self._place)
        return pause_s

    def succeeded(self) -> None:
        """Take note that work gets on."""
        if self._failures:
            self._failures = 0
            self._said = ""
            self._health.report("", self._place)

    @contextmanager
    def proving(self) -> Iterator[None]:
        """Have it succeed also when what runs in the block doesn't end soon."""
        if not self._failures:
            yield
            return
        proof = threading.Timer(_PROOF_S, self.succeeded)
        proof.start()
        try:
            yield
        finally:
            proof.cancel()
            proof.join()
