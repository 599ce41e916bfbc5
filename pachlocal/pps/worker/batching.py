"""Datum batching: a program that is started once, and asks for one datum after the other.

It asks by a call (`NextDatum`) that returns when the next datum lies in `/pfs`; each call but the
first also says how the datum before went. A `DatumServer` brings the call to us.
See https://docs.pachyderm.com/latest/build-dags/pipeline-operations/datum-batching/.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from enum import Enum, auto
from typing import Protocol

from pachlocal.errors import FailedPreconditionError
from pachlocal.pps.worker.steps import EndProgram, RunProgram, Step, Steps, advance
from pachlocal.runtime.contract import Invocation, Outcome, StopToken, Worker
from pachlocal.runtime.invocation_check import timeout_reason

PORT_VARIABLE = "PPS_WORKER_GRPC_PORT"

_PREMATURE = "user code exited prematurely"


class Caller(Protocol):
    """The program's call, while it waits for its answer."""

    def is_there(self) -> bool:
        """Whether the program still waits."""

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Have a function called when the program hangs up."""


class DatumSource(Protocol):
    """Where a program asks."""

    def next_datum(self, error: str, caller: Caller) -> list[str]:
        """Wait for the next datum to lie in `/pfs`; return its variables, as `NAME=value`.

        Args:
            error: Why the datum before failed; empty when it went well, and at the first call.
            caller: Who waits.

        Raises:
            FailedPreconditionError: There is no next datum for this caller.
        """


class DatumServer(Protocol):
    """Serves the calls of programs: brings them to a `DatumSource`."""

    def open(self, source: DatumSource, uid: int | None) -> AbstractContextManager[int]:
        """Open a port of this machine at which a source is called, while the block lasts.

        Args:
            source: What is called.
            uid: The user, besides ours, who may call; None if that isn't known, and all may.
        """


class Batch:
    """Lets one program process all datums that a worker gets of a job. Belongs to one thread.

    The program runs until something fails or there are no more datums; after a failure the next
    datum, or the next try, starts it anew.
    """

    def __init__(
        self, worker: Worker, datum_server: DatumServer, invocation: Invocation, stop: StopToken
    ) -> None:
        """Take what is to be run; nothing runs yet.

        Args:
            worker: Where.
            datum_server: How the program calls us.
            invocation: What; its time limit is that of one datum.
            stop: What ends the program from outside.
        """
        self._worker = worker
        self._datum_server = datum_server
        self._invocation = invocation
        self._stop = stop

    def drive(self, steps: Steps) -> None:
        """Go through all steps, in this thread and in those of the program's calls."""
        step = next(steps, None)
        while step is not None:
            if isinstance(step, EndProgram):
                step = advance(steps, Outcome(0))
                continue
            program = _Program(self._worker, self._invocation, steps, step)
            with self._stop.telling(program.stop.stop), program.running(self._datum_server):
                step = program.wait()


class _State(Enum):
    OFFERED = auto()  # a datum is ready, and the program has not asked for it
    TAKEN = auto()  # the program works
    GOING_ON = auto()  # a call of the program's takes the steps until the next datum is ready
    HANDED_BACK = auto()  # the thread of the batch goes on, and nobody else


class _Program:
    """One run of the program, and the source where it asks for datums.

    Attributes:
        stop: What ends it.
    """

    def __init__(
        self, worker: Worker, invocation: Invocation, steps: Steps, first: RunProgram
    ) -> None:
        self.stop = StopToken()
        self._worker = worker
        self._invocation = invocation
        self._steps = steps
        self._changed = threading.Condition()  # guards what follows
        self._state = _State.OFFERED
        self._turn = first
        self._begun = 0.0  # when the program took its datum
        self._started_ns = time.monotonic_ns()
        self._start_ns = 0  # how long it took to ask for its first datum, until that is told
        self._has_asked = False
        self._next: Step | None = None  # what there is to do when it is handed back
        self._failure: BaseException | None = None  # why it is handed back, if that is why
        self._ended: Outcome | None = None
        self._broken: Exception | None = None  # what has ended it, when it isn't the program's

    @contextmanager
    def running(self, datum_server: DatumServer) -> Iterator[None]:
        """Run the program for as long as the block lasts; then nothing of it runs any more."""
        with datum_server.open(self, self._worker.uid) as port:
            env = {**self._invocation.env, PORT_VARIABLE: str(port)}
            invocation = replace(self._invocation, env=env, timeout_s=None)
            thread = threading.Thread(target=self._run, args=(invocation,), name="batch")
            thread.start()
            try:
                yield
            finally:
                self.stop.stop()
                thread.join()

    def wait(self) -> Step | None:
        """Wait until it isn't the program's turn any more; return the step after, None at the end.

        Raises:
            InfrastructureError: The machine has ended the program, in the midst of a datum.
            Exception: What came of the steps in a call's thread.
        """
        with self._changed:
            while not self._is_over():
                self._changed.wait(self._left_s())
            if self._failure is not None:
                raise self._failure
            if self._state is _State.HANDED_BACK:
                return self._next
            if self._broken is not None:
                raise self._broken
            self._state = _State.HANDED_BACK
            outcome = self._ended or Outcome(1, timeout_reason(self._invocation.timeout_s or 0))
        return advance(self._steps, outcome)

    def next_datum(self, error: str, caller: Caller) -> list[str]:
        """See `DatumSource`."""
        with self._changed:
            if self._state is _State.GOING_ON:
                raise FailedPreconditionError("another call for the next datum is waiting")
            is_done = self._state is _State.TAKEN
            if is_done:
                self._state = _State.GOING_ON
        if is_done:
            code, why = (1, error) if error else (0, None)
            self._go_on(Outcome(code, why, start_ns=self._take_start()))
        with self._changed:
            if self._state is _State.OFFERED and caller.is_there():
                return self._give()
        self._wait_for_end(caller)
        raise FailedPreconditionError("there are no more datums")

    def _give(self) -> list[str]:
        self._state = _State.TAKEN
        self._begun = time.monotonic()
        if not self._has_asked:
            self._has_asked = True
            self._start_ns = time.monotonic_ns() - self._started_ns
        if self._invocation.timeout_s is not None:
            self._changed.notify_all()
        return [f"{name}={value}" for name, value in self._turn.env.items()]

    def _take_start(self) -> int:
        """Return how long the start took, once: it is part of the first datum's time."""
        taken, self._start_ns = self._start_ns, 0
        return taken

    def _go_on(self, outcome: Outcome) -> None:
        """Take the steps until a datum is ready, or they have to be handed back."""
        step, failure = None, None
        try:
            step = advance(self._steps, outcome)
            if isinstance(step, RunProgram):
                self._worker.hand_over()
        except BaseException as error:  # the thread of the batch raises it
            failure = error
        with self._changed:
            if isinstance(step, RunProgram):
                self._state, self._turn = _State.OFFERED, step
            else:
                self._state, self._next, self._failure = _State.HANDED_BACK, step, failure
            if self._ended is not None or self._state is _State.HANDED_BACK:
                self._changed.notify_all()

    def _wait_for_end(self, caller: Caller) -> None:
        """Wait until the program is killed: with an answer it would say that something is wrong."""
        caller.when_gone(self._look)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not caller.is_there())

    def _is_over(self) -> bool:
        if self._state is _State.GOING_ON:
            return False
        left = self._left_s()
        return (
            self._state is _State.HANDED_BACK
            or self._ended is not None
            or (left is not None and left <= 0)
        )

    def _left_s(self) -> float | None:
        """Return how long the program may still work on its datum."""
        limit = self._invocation.timeout_s
        if limit is None or self._state is not _State.TAKEN:
            return None
        return self._begun + limit - time.monotonic()

    def _run(self, invocation: Invocation) -> None:
        try:
            outcome = self._worker.run(invocation, self._take_lines, self.stop)
        except Exception as error:  # the thread that waits is to know
            self._broken = error
            outcome = Outcome(1, f"the worker failed: {error}")
        if outcome.error is None:
            code = outcome.exit_code
            why = f"the command ended with exit code {code}" if code else _PREMATURE
            outcome = Outcome(code or 1, why)
        with self._changed:
            self._ended = outcome
            self._changed.notify_all()

    def _take_lines(self, lines: str) -> None:
        self._turn.on_lines(lines)

    def _look(self) -> None:
        with self._changed:
            self._changed.notify_all()
