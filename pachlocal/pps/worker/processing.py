"""One datum in one worker: lay out, run, collect; when it fails, again, as the spec says.

Running the program is left to whoever drives the steps (`pachlocal.pps.worker.steps`), so that
datum batching differs in nothing else.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from pachlocal.errors import InfrastructureError, InvalidArgumentError, PachError
from pachlocal.faults import in_words, machine_fault
from pachlocal.pfs.tree.content import Reader
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables.datum_store import Result, Stats
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.pps.worker import variables
from pachlocal.pps.worker.batching import Batch, DatumServer
from pachlocal.pps.worker.collecting import collect
from pachlocal.pps.worker.last_words import LastWords
from pachlocal.pps.worker.layout import Layout, layout_of
from pachlocal.pps.worker.steps import EndProgram, RunProgram, Step, Steps, advance
from pachlocal.runtime.contract import Invocation, Outcome, StopToken, Worker
from pachlocal.storage import disk
from pachlocal.storage.object_writer import ObjectWriter

_LONGEST_NAME = 100  # characters of a name in a reason
# What a file's name can't be on this machine, whatever state it is in.
_OF_NAMES = (errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Journal:
    """Where lines about a datum go: what the user's command says, and what the worker says."""

    user: Callable[[str], None]
    worker: Callable[[str], None]


@dataclass(slots=True)
class Processor:
    """Processes the datums of one job in one worker, one after the other.

    Attributes:
        objects: Where the content of inputs is.
        worker: Where commands run.
        pipeline: The pipeline, in the job's version.
        job: The job.
        peer: What tells a program in the worker where the server is.
        stop: What ends the command, and the work on the job.
        restarted: Whether somebody asked for the datum to begin anew; tells it once.
        secrets: Variables that only the command gets: `/pfs/.env` doesn't list them.
        datum_server: How a program asks for datums, if there is to be datum batching.
    """

    objects: Reader
    worker: Worker
    pipeline: PipelineInfo
    job: JobInfo
    peer: Mapping[str, str]
    stop: StopToken
    restarted: Callable[[], bool]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    datum_server: DatumServer | None = None
    _common: Mapping[str, str] = field(init=False)  # variables that are the same for all datums
    _layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        """Take the worker's `/pfs`, whatever another job left in it."""
        self._common = variables.of_job(self.pipeline, self.peer, self.job)
        self._layout = layout_of(self.objects, self.worker.pfs)

    def drive(self, steps: Steps) -> None:
        """Go through steps that `process` is part of, and run the pipeline's command for them."""
        transform = self.pipeline.spec.transform
        with closing(self._layout), closing(steps):
            if transform.datum_batching and self.datum_server is not None:
                invocation = self._invocation(transform.cmd, transform.stdin, self._common)
                Batch(self.worker, self.datum_server, invocation, self.stop).drive(steps)
                return
            step = next(steps, None)
            while step is not None:
                step = advance(steps, self._take_turn(step))

    def process(
        self, datum: Datum, id_: bytes, journal: Journal, objects: ObjectWriter
    ) -> Generator[Step, Outcome, Result]:
        """Process a datum, of that ID, with the pipeline's command, up to `datum_tries` times.

        The output is put into `objects`, to be written together with the result.

        With an `err_cmd`, it runs after each failure; when the last try fails and it doesn't, the
        datum has recovered: no output, and no failure of the job. A try that somebody had begun
        anew doesn't count.

        Raises:
            InfrastructureError: The machine failed, not the command.
            OSError: The same.
            PachError: An input can't be read.
        """
        spec = self.pipeline.spec
        env = {**self._common, **variables.of_datum(datum, id_)}
        result = Result(DatumState.FAILED, None, 0, Stats())
        attempt = 1
        while attempt <= spec.datum_tries:
            result = yield from self._try(datum, env, journal, attempt, objects)
            if result.state is DatumState.SUCCESS or self.stop.is_stopped():
                break
            if result.state is not DatumState.UNKNOWN:
                attempt += 1
        return result

    def _try(
        self,
        datum: Datum,
        env: Mapping[str, str],
        journal: Journal,
        attempt: int,
        objects: ObjectWriter,
    ) -> Generator[Step, Outcome, Result]:
        spec = self.pipeline.spec
        journal.worker(f"beginning to process datum, try {attempt} of {spec.datum_tries}")
        begun = time.monotonic_ns()
        size_in = self._lay_out(datum, env)
        laid = time.monotonic_ns() - begun
        journal.worker("beginning to run user code")
        last = LastWords(journal.user)
        begun = time.monotonic_ns()
        outcome = yield RunProgram(env, last)
        ran = time.monotonic_ns() - begun
        start = min(outcome.start_ns, ran)
        failure = self._failure(outcome)
        if failure is not None:
            disk.check(self.worker.pfs)  # it isn't the datum's failure when there is no room
        if outcome.error is None and failure is not None and (why := last.text):
            failure = f"{failure}: {why}"
        said = f"datum failed: {failure}"
        if failure is not None and not spec.transform.datum_batching:
            said = f"errored running user code after {ran / 1e9:.3f} seconds: {failure}"
        if failure is None:
            how = f" ({outcome.note})" if outcome.note else ""
            journal.worker(f"finished running user code after {ran / 1e9:.3f} seconds{how}")
            begun = time.monotonic_ns()
            try:
                output, size_out = collect(objects, self.worker, datum)
                stats = Stats(laid, ran, time.monotonic_ns() - begun, size_in, size_out)
                return Result(DatumState.SUCCESS, output, attempt, stats, start_ns=start)
            except (PachError, OSError) as error:
                if machine_fault(error):
                    raise
                failure = f"output could not be stored: {error}"
                said = f"datum failed: {failure}"
        yield EndProgram()
        if self.restarted() and not self.stop.is_stopped():
            journal.worker("datum restarts, as requested")
            return Result(DatumState.UNKNOWN, None, attempt, Stats())
        journal.worker(said)
        state = self._recover(env, journal)
        return Result(state, None, attempt, Stats(laid, ran, 0, size_in, 0), failure, start)

    def _lay_out(self, datum: Datum, env: Mapping[str, str]) -> int:
        try:
            return self._layout.lay_out(datum, env)
        except OSError as error:
            if machine_fault(error):
                raise
            if error.errno in _OF_NAMES:
                raise InvalidArgumentError(
                    f"input {self._seen(error.filename)} can't be a file here: {error.strerror}"
                ) from error
            # Somebody has meddled with the folder: a new worker has a new one.
            raise InfrastructureError(f"/pfs can't be filled: {in_words(error)}") from error

    def _seen(self, place: str | bytes | None) -> str:
        """Return how commands see a place in `/pfs`, not longer than a message may be."""
        name = os.fsdecode(place or "").removeprefix(str(self.worker.pfs))
        if len(name) > _LONGEST_NAME:
            name = f"{name[:_LONGEST_NAME]}…"
        return f"/pfs{name}"

    def _take_turn(self, step: Step) -> Outcome:
        transform = self.pipeline.spec.transform
        if isinstance(step, EndProgram):
            return Outcome(0)  # it has ended
        if transform.datum_batching:
            return Outcome(1, "this daemon serves no datum batching")
        varying = self._varying(step.env) if self.pipeline.spec.warm else None
        return self._run(transform.cmd, transform.stdin, step.env, step.on_lines, varying)

    def _varying(self, env: Mapping[str, str]) -> frozenset[str]:
        """Return the variables that another job or datum has otherwise."""
        return frozenset(env.keys() - self._common.keys() | variables.OF_THE_JOB)

    def _run(
        self,
        cmd: tuple[str, ...],
        stdin: tuple[str, ...],
        env: Mapping[str, str],
        on_lines: Callable[[str], None],
        varying: frozenset[str] | None = None,
    ) -> Outcome:
        invocation = replace(self._invocation(cmd, stdin, env), varying=varying)
        return self.worker.run(invocation, on_lines, self.stop)

    def _invocation(
        self, cmd: tuple[str, ...], stdin: tuple[str, ...], env: Mapping[str, str]
    ) -> Invocation:
        spec = self.pipeline.spec
        return Invocation(
            cmd=cmd,
            stdin="".join(f"{line}\n" for line in stdin).encode(),
            env={**self.secrets, **env},
            working_dir=spec.transform.working_dir,
            timeout_s=spec.datum_timeout_s,
        )

    def _failure(self, outcome: Outcome) -> str | None:
        if outcome.error is not None:
            return outcome.error
        if outcome.exit_code in {0, *self.pipeline.spec.transform.accept_return_code}:
            return None
        return f"the command ended with exit code {outcome.exit_code}"

    def _recover(self, env: Mapping[str, str], journal: Journal) -> DatumState:
        transform = self.pipeline.spec.transform
        if not transform.err_cmd:
            return DatumState.FAILED
        journal.worker("beginning to run user error handling code")
        outcome = self._run(transform.err_cmd, transform.err_stdin, env, journal.user)
        good = outcome.error is None and outcome.exit_code == 0
        return DatumState.RECOVERED if good else DatumState.FAILED
