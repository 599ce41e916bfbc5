from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pps_world import DEADLINE_S, KilledError, Run, World, copy, make_spec, pfs_input

from pachlocal.errors import FailedPreconditionError, InfrastructureError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run import pipeline_health
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.spec.states import DatumState, JobState
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.log_reading import LogFilter
from pachlocal.pps.tables.logs import LogWriter
from pachlocal.pps.worker.batching import DatumSource
from pachlocal.pps.worker.layout.reusing import ReusingLayout


class FakeDatumServer:
    """Desks by port number."""

    def __init__(self) -> None:
        self.sources: dict[int, DatumSource] = {}
        self.opened = 0

    @contextmanager
    def open(self, source: DatumSource, uid: int | None) -> Iterator[int]:
        self.opened += 1
        port = self.opened
        self.sources[port] = source
        try:
            yield port
        finally:
            del self.sources[port]


class Caller:
    """A program's call that hangs up when the program is killed."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def is_there(self) -> bool:
        return not self._run.killed

    def when_gone(self, tell: Callable[[], None]) -> None:
        def watch() -> None:
            with self._run.changed:
                self._run.changed.wait_for(lambda: self._run.killed)
            tell()

        threading.Thread(target=watch, daemon=True).start()


class BatchWorld(World):
    """A store whose programs can ask for datums."""

    def _open(self) -> None:
        self.datum_server = FakeDatumServer()
        self.files = FileSystem(self._root)
        self.logs = LogWriter(self.files.database)
        self.scheduler = Scheduler(self.files, self.runtime, self.logs, self.datum_server)
        self.scheduler.start({})

    def ask(self, run: Run, error: str = "") -> dict[str, str]:
        """Call for the next datum as a program does."""
        port = int(run.invocation.env["PPS_WORKER_GRPC_PORT"])
        try:
            lines = self.datum_server.sources[port].next_datum(error, Caller(run))
        except FailedPreconditionError:
            raise KilledError from None
        return dict(line.split("=", 1) for line in lines)

    def run(self, program: Callable[[Run], int | None], count: int, **more: Any) -> JobInfo:
        """Run a batching program on so many files."""
        self.runtime.programs["batch"] = program
        self.make_repos("data")
        transform = {"datum_batching": True, **more.pop("transform", {})}
        spec = make_spec("p", pfs_input("data"), "batch", transform=transform, **more)
        self.create(spec)
        self.wait("p")  # a job that runs ahead of it would give its workers back after a datum
        self.put("data", {f"/{number}": str(number).encode() for number in range(count)})
        return self.wait("p")

    def messages(self, job: JobInfo, *, user: bool) -> list[str]:
        self.logs.close()
        self.logs = LogWriter(self.files.database)
        lines = self.log(LogFilter(job=job.key, master=False))
        return [line.message for line in lines if line.user is user]


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[BatchWorld]:
    world = BatchWorld(tmp_path)
    yield world
    world.close()


def test_a_program_is_started_once_and_works_on_one_datum_after_the_other(
    batch: BatchWorld,
) -> None:
    environments = []

    def program(run: Run) -> None:
        while True:
            environments.append(batch.ask(run))
            copy(run)

    job = batch.run(program, 3)
    assert (job.state, batch.counts(job)) == (JobState.SUCCESS, {"total": 3, "processed": 3})
    assert batch.content("p") == {"/0": b"0", "/1": b"1", "/2": b"2"}
    assert len(batch.runtime.runs) == 1
    assert [env["data"] for env in environments] == ["/pfs/data/0", "/pfs/data/1", "/pfs/data/2"]
    assert [env["PACH_DATUM_ID"] for env in environments] == [
        datum.id.hex() for datum in batch.datums(job)
    ]
    assert "PACH_DATUM_ID" not in batch.runtime.runs[0].invocation.env
    assert batch.datum_server.sources == {}


def test_a_file_that_a_program_has_open_stays_as_it_was(batch: BatchWorld) -> None:
    found = []

    def program(run: Run) -> None:
        path = batch.ask(run)["data"]
        with (run.pfs / path.removeprefix("/pfs/")).open() as file:
            batch.ask(run)
            found.append(file.read())
        while True:
            batch.ask(run)

    assert batch.run(program, 2).state is JobState.SUCCESS
    assert found == ["0"]


def test_each_worker_has_a_program_of_its_own(batch: BatchWorld) -> None:
    both = threading.Barrier(2)

    def program(run: Run) -> None:
        batch.ask(run)
        both.wait(30)
        copy(run)
        while True:
            batch.ask(run)
            copy(run)

    job = batch.run(program, 4, parallelism_spec={"constant": "2"})
    assert batch.counts(job) == {"total": 4, "processed": 4}
    assert len(batch.runtime.runs) == 2


def test_an_error_fails_the_try_and_starts_the_program_anew(batch: BatchWorld) -> None:
    def program(run: Run) -> None:
        error = ""
        while True:
            batch.ask(run, error)
            fails = list(run.inputs) == ["data/1"] and len(batch.runtime.runs) < 3
            error = "ValueError('odd')" if fails else ""
            copy(run)

    job = batch.run(program, 3, datum_tries="3")
    assert batch.counts(job) == {"total": 3, "processed": 3}
    assert [datum.attempts for datum in batch.datums(job)] == [1, 3, 1]
    assert len(batch.runtime.runs) == 3
    assert batch.messages(job, user=False).count("datum failed: ValueError('odd')") == 2


def test_what_fails_in_all_tries_fails_the_job(batch: BatchWorld) -> None:
    def program(run: Run) -> None:
        error = ""
        while True:
            batch.ask(run, error)
            error = "no"

    job = batch.run(program, 2, datum_tries="2")
    assert (job.state, batch.counts(job)) == (JobState.FAILURE, {"total": 2, "failed": 2})
    assert job.reason == f"datum {batch.datums(job)[0].id.hex()} failed: no"


def test_err_cmd_runs_after_a_failure(batch: BatchWorld) -> None:
    def program(run: Run) -> None:
        batch.ask(run, "")
        batch.ask(run, "no")

    batch.runtime.programs["clean up"] = lambda _: None
    job = batch.run(program, 1, transform={"err_cmd": ["clean up"]})
    assert (job.state, batch.counts(job)) == (JobState.SUCCESS, {"total": 1, "recovered": 1})
    assert [run.invocation.cmd[0] for run in batch.runtime.runs] == ["batch", "clean up"]


@pytest.mark.parametrize(
    ("asks", "code", "reason"),
    [
        (0, 0, "user code exited prematurely"),
        (1, 0, "user code exited prematurely"),
        (0, 3, "the command ended with exit code 3"),
        (1, 3, "the command ended with exit code 3"),
    ],
)
def test_a_program_that_ends_by_itself_has_failed(
    batch: BatchWorld, asks: int, code: int, reason: str
) -> None:
    def program(run: Run) -> int:
        for _ in range(asks):
            batch.ask(run)
        return code

    job = batch.run(program, 1, transform={"accept_return_code": ["3"]})
    assert (job.state, batch.counts(job)) == (JobState.FAILURE, {"total": 1, "failed": 1})
    assert f"datum failed: {reason}" in batch.messages(job, user=False)


def test_output_belongs_to_the_datum_at_work(batch: BatchWorld) -> None:
    def program(run: Run) -> None:
        run.say("loading")
        while True:
            env = batch.ask(run)
            run.say(env["data"])

    job = batch.run(program, 2)
    batch.logs.close()
    batch.logs = LogWriter(batch.files.database)
    lines = [line for line in batch.log(LogFilter(job=job.key, master=False)) if line.user]
    first, second = (datum.id for datum in batch.datums(job))
    assert [(line.message, line.datum) for line in lines] == [
        ("loading", first),
        ("/pfs/data/0", first),
        ("/pfs/data/1", second),
    ]


@pytest.mark.parametrize("slow", ["data/0", "data/1", "data/2"])
def test_the_time_limit_is_that_of_a_datum(batch: BatchWorld, slow: str) -> None:
    def program(run: Run) -> None:
        while True:
            batch.ask(run)
            if list(run.inputs) == [slow]:
                run.wait_until(lambda: False)
            copy(run)

    job = batch.run(program, 3, datum_timeout="0.2s")
    assert batch.counts(job) == {"total": 3, "processed": 2, "failed": 1}
    assert "datum failed: datum timeout of 0.2s exceeded" in batch.messages(job, user=False)


def test_a_datum_is_kept_for_a_call_that_comes_after_one_that_hung_up(batch: BatchWorld) -> None:
    found = []

    class Gone(Caller):
        def is_there(self) -> bool:
            return False

    def program(run: Run) -> None:
        port = int(run.invocation.env["PPS_WORKER_GRPC_PORT"])
        while True:
            with pytest.raises(FailedPreconditionError):
                batch.datum_server.sources[port].next_datum("", Gone(run))
            found.append(batch.ask(run)["data"])
            copy(run)

    job = batch.run(program, 2)
    assert (job.state, batch.counts(job)) == (JobState.SUCCESS, {"total": 2, "processed": 2})
    assert found == ["/pfs/data/0", "/pfs/data/1"]


def test_a_second_call_is_refused_while_one_waits(
    batch: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []
    answered, waiting, going_on = threading.Event(), threading.Event(), threading.Event()
    lay_out = ReusingLayout.lay_out

    def slowly(layout: ReusingLayout, *arguments: Any) -> int:
        if answered.is_set():
            waiting.set()
            assert going_on.wait(DEADLINE_S)
        return lay_out(layout, *arguments)

    def program(run: Run) -> None:
        batch.ask(run)
        copy(run)
        answered.set()
        first = threading.Thread(target=batch.ask, args=(run,))
        first.start()
        assert waiting.wait(DEADLINE_S)
        port = int(run.invocation.env["PPS_WORKER_GRPC_PORT"])
        with pytest.raises(FailedPreconditionError) as error:
            batch.datum_server.sources[port].next_datum("", Caller(run))
        refused.append(str(error.value))
        going_on.set()
        first.join()
        copy(run)
        batch.ask(run)

    monkeypatch.setattr(ReusingLayout, "lay_out", slowly)
    job = batch.run(program, 2)
    assert refused == ["another call for the next datum is waiting"]
    assert batch.counts(job) == {"total": 2, "processed": 2}


def test_a_mistake_in_a_programs_call_fails_the_job(
    batch: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out, laid = ReusingLayout.lay_out, []

    def failing(layout: ReusingLayout, *arguments: Any) -> int:
        laid.append(1)
        if len(laid) == 2:
            raise ValueError("a mistake")
        return lay_out(layout, *arguments)

    def program(run: Run) -> None:
        while True:
            batch.ask(run)
            copy(run)

    monkeypatch.setattr(ReusingLayout, "lay_out", failing)
    job = batch.run(program, 3)
    assert job.state is JobState.FAILURE
    assert job.reason == "internal error: ValueError('a mistake')"
    assert batch.datum_server.sources == {}


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_a_machine_that_fails_a_program_costs_no_try(
    batch: BatchWorld, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    monkeypatch.setattr(pipeline_health, "_PAUSES_S", (0.0,))
    failures = [2]

    def program(run: Run) -> None:
        for count in itertools.count():
            if failures[0] and count == asked:
                failures[0] -= 1
                raise InfrastructureError("its container was ended")
            batch.ask(run)
            copy(run)

    job = batch.run(program, 5)
    assert (job.state, job.reason) == (JobState.SUCCESS, "")
    assert batch.counts(job) == {"total": 5, "processed": 5}
    assert {datum.attempts for datum in batch.datums(job)} == {1}
    assert batch.datum_server.sources == {}


def test_a_job_that_is_stopped_ends_the_program(batch: BatchWorld) -> None:
    def program(run: Run) -> None:
        batch.ask(run)
        batch.end(batch.job("p"))
        run.wait_until(lambda: False)

    job = batch.run(program, 1)
    assert job.state is JobState.KILLED
    batch.runtime.wait_until(lambda: batch.runtime.runs[0].killed)
    assert batch.datums(job)[0].state is DatumState.UNKNOWN


def test_the_program_is_started_anew_for_the_next_job(batch: BatchWorld) -> None:
    def program(run: Run) -> None:
        while True:
            batch.ask(run)
            copy(run)

    batch.run(program, 1)
    batch.put("data", {"/more": b""})
    assert batch.counts(batch.succeed("p")) == {"total": 2, "processed": 1, "skipped": 1}
    assert len(batch.runtime.runs) == 2
