"""One datum in one worker: lay out, run, collect; when it fails, again, as the spec says.

The running is somebody else's turn (`pachlocal.pps.turns`), so that datum batching differs in
nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from pachlocal.errors import PachError
from pachlocal.pfs.content import Reader
from pachlocal.pps import variables
from pachlocal.pps.batching import Batch, Door
from pachlocal.pps.collecting import collect
from pachlocal.pps.datum_store import Result, Stats
from pachlocal.pps.datums import Datum
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.layout import Layout
from pachlocal.pps.pipelines import PipelineInfo
from pachlocal.pps.states import DatumState
from pachlocal.pps.turns import Halt, Step, Steps, Turn, advance
from pachlocal.runtime.contract import Invocation, Outcome, Worker
from pachlocal.storage.objects import ObjectWriter


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
        stopped: Whether the job has been ended meanwhile.
        restarted: Whether somebody asked for the datum to begin anew; tells it once.
        secrets: Variables that only the command gets: `/pfs/.env` doesn't list them.
        door: How a program asks for datums, if there is to be datum batching.
    """

    objects: Reader
    worker: Worker
    pipeline: PipelineInfo
    job: JobInfo
    peer: Mapping[str, str]
    stopped: Callable[[], bool]
    restarted: Callable[[], bool]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    door: Door | None = None
    _common: Mapping[str, str] = field(init=False)  # variables that are the same for all datums
    _layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        """Take the worker's `/pfs`, whatever another job left in it."""
        self._common = variables.of_job(self.pipeline, self.peer, self.job)
        self._layout = Layout(self.objects, self.worker.pfs)

    def drive(self, steps: Steps) -> None:
        """Go through steps that `process` is part of, and run the pipeline's command for them."""
        transform = self.pipeline.spec.transform
        with closing(self._layout), closing(steps):
            if transform.datum_batching and self.door is not None:
                invocation = self._invocation(transform.cmd, transform.stdin, self._common)
                Batch(self.worker, self.door, invocation).drive(steps)
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
        """
        spec = self.pipeline.spec
        env = {**self._common, **variables.of_datum(datum, id_)}
        result = Result(DatumState.FAILED, None, 0, Stats())
        attempt = 1
        while attempt <= spec.datum_tries:
            result = yield from self._try(datum, env, journal, attempt, objects)
            if result.state is DatumState.SUCCESS or self.stopped():
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
        size_in = self._layout.lay_out(datum, env)
        laid = time.monotonic_ns() - begun
        journal.worker("beginning to run user code")
        last = _LastLine(journal.user)
        begun = time.monotonic_ns()
        outcome = yield Turn(env, last)
        ran = time.monotonic_ns() - begun
        failure = self._failure(outcome)
        if outcome.error is None and failure is not None and last.text:
            failure = f"{failure}: {last.text}"  # a program says why it ends last of all
        if failure is None:
            how = f" ({outcome.note})" if outcome.note else ""
            journal.worker(f"finished running user code after {ran / 1e9:.3f} seconds{how}")
            begun = time.monotonic_ns()
            try:
                output, size_out = collect(objects, self.worker.pfs)
                stats = Stats(laid, ran, time.monotonic_ns() - begun, size_in, size_out)
                return Result(DatumState.SUCCESS, output, attempt, stats)
            except (PachError, OSError) as error:
                failure = f"output could not be stored: {error}"
        yield Halt()
        if self.restarted() and not self.stopped():
            journal.worker("datum begins anew, as asked for")
            return Result(DatumState.UNKNOWN, None, attempt, Stats())
        journal.worker(f"datum failed: {failure}")
        state = self._recover(env, journal)
        return Result(state, None, attempt, Stats(laid, ran, 0, size_in, 0), error=failure)

    def _take_turn(self, step: Step) -> Outcome:
        transform = self.pipeline.spec.transform
        if isinstance(step, Halt):
            return Outcome(0)  # it has ended
        if transform.datum_batching:
            return Outcome(1, "this daemon serves no datum batching")
        varying = self._varying(step.env) if self.pipeline.spec.warm else None
        return self._run(transform.cmd, transform.stdin, step.env, step.on_line, varying)

    def _varying(self, env: Mapping[str, str]) -> frozenset[str]:
        """Return the variables that another job or datum has otherwise."""
        return frozenset(env.keys() - self._common.keys() | variables.OF_THE_JOB)

    def _run(
        self,
        cmd: tuple[str, ...],
        stdin: tuple[str, ...],
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        varying: frozenset[str] | None = None,
    ) -> Outcome:
        invocation = replace(self._invocation(cmd, stdin, env), varying=varying)
        return self.worker.run(invocation, on_line)

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


class _LastLine:
    """Passes lines on, and keeps the last one that says something."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.text = ""
        self._write = write

    def __call__(self, line: str) -> None:
        self.text = line.strip() or self.text
        self._write(line)
