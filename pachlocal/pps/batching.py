"""Datum batching: a program that is started once, and asks for one datum after the other.

It asks by a call (`NextDatum`) that returns when the next datum lies in `/pfs`; each call but the
first also says how the datum before went. How the call reaches us is the business of a `Door`. See
https://docs.pachyderm.com/latest/build-dags/pipeline-operations/datum-batching/.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Protocol

from pachlocal.errors import ConflictError
from pachlocal.runtime.contract import Invocation, Outcome, Worker
from pachlocal.runtime.refusal import timeout_reason

PORT_VARIABLE = "PPS_WORKER_GRPC_PORT"

_PREMATURE = "user code exited prematurely"
_KILL_AGAIN_S = 0.1  # a program that was about to start when it was killed


class Caller(Protocol):
    """The program's call, while it waits for its answer."""

    def is_there(self) -> bool:
        """Whether the program still waits."""

    def when_gone(self, tell: Callable[[], None]) -> None:
        """Have a function called when the program hangs up."""


class Desk(Protocol):
    """Where a program asks."""

    def next_datum(self, error: str, caller: Caller) -> list[str]:
        """Wait for the next datum to lie in `/pfs`; return its variables, as `NAME=value`.

        Args:
            error: Why the datum before failed; empty when it went well, and at the first call.
            caller: Who waits.

        Raises:
            ConflictError: There is no next datum for this caller.
        """


class Door(Protocol):
    """Brings the calls of programs to a desk."""

    def open(self, desk: Desk) -> AbstractContextManager[int]:
        """Open a port of this machine at which a desk is called, for as long as the block lasts."""


class Batch:
    """The program of one worker, for the datums of one job. Belongs to one thread.

    It runs until it fails, or there are no more datums; after a failure the next datum, or the next
    try, starts it anew.
    """

    def __init__(self, worker: Worker, door: Door, invocation: Invocation) -> None:
        """Take what is to be run; nothing runs yet.

        Args:
            worker: Where.
            door: How the program calls us.
            invocation: What; its time limit is that of one datum.
        """
        self._worker = worker
        self._door = door
        self._invocation = invocation
        self._program: _Program | None = None

    def process(self, env: Mapping[str, str], on_line: Callable[[str], None]) -> Outcome:
        """Let the program work on the datum that lies in `/pfs`; return how that went.

        After a failure nothing of the program runs any more.

        Args:
            env: The datum's variables.
            on_line: Called for each line of output from now on.
        """
        if self._program is None:
            self._program = _Program(self._worker, self._door, self._invocation, on_line)
        outcome = self._program.process(env, on_line)
        if outcome.error is not None or outcome.exit_code != 0:
            self.stop()
        return outcome

    def stop(self) -> None:
        """End the program, if it runs."""
        if self._program is not None:
            self._program.stop()
            self._program = None


class _Program:
    """One run of the program, and the desk where it asks."""

    def __init__(
        self, worker: Worker, door: Door, invocation: Invocation, on_line: Callable[[str], None]
    ) -> None:
        self._worker = worker
        self._on_line = on_line
        self._timeout_s = invocation.timeout_s
        self._changed = threading.Condition()  # guards what follows
        self._asked: str | None = None  # the program waits; how the datum before went
        self._given: list[str] | None = None  # what its call is to return
        self._ended: Outcome | None = None
        self._closing = ExitStack()
        port = self._closing.enter_context(door.open(self))
        env = {**invocation.env, PORT_VARIABLE: str(port)}
        self._thread = threading.Thread(
            target=self._run,
            args=(replace(invocation, env=env, timeout_s=None),),
            name="batch",
        )
        self._thread.start()

    def next_datum(self, error: str, caller: Caller) -> list[str]:
        """See `Desk`."""
        caller.when_gone(self._look)
        with self._changed:
            if self._asked is not None:
                raise ConflictError("another call for the next datum is waiting")
            self._asked = error
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._given is not None or self._ended or not caller.is_there()
            )
            if self._given is None:
                self._asked = None
                raise ConflictError("there are no more datums")
            given, self._given = self._given, None
            return given

    def process(self, env: Mapping[str, str], on_line: Callable[[str], None]) -> Outcome:
        """See `Batch`."""
        with self._changed:
            self._on_line = on_line
            self._changed.wait_for(lambda: self._asked is not None or self._ended)
            if self._ended is not None:
                return self._ended
            self._asked = None
            self._given = [f"{name}={value}" for name, value in env.items()]
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._asked is not None or self._ended, self._timeout_s)
            if self._ended is not None:
                return self._ended
            if self._asked is None:
                return Outcome(1, timeout_reason(self._timeout_s or 0))
            return Outcome(1, self._asked) if self._asked else Outcome(0)

    def stop(self) -> None:
        """End the program, and wait for that."""
        while self._thread.is_alive():
            self._worker.kill()
            self._thread.join(_KILL_AGAIN_S)
        self._closing.close()

    def _run(self, invocation: Invocation) -> None:
        try:
            outcome = self._worker.run(invocation, lambda line: self._on_line(line))
        except Exception as error:  # the thread that waits is to know
            outcome = Outcome(1, f"the worker failed: {error}")
        if outcome.error is None:
            code = outcome.exit_code
            why = f"the command ended with exit code {code}" if code else _PREMATURE
            outcome = Outcome(code or 1, why)
        with self._changed:
            self._ended = outcome
            self._changed.notify_all()

    def _look(self) -> None:
        with self._changed:
            self._changed.notify_all()
