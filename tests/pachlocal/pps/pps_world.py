"""A store with pipelines at work, whose commands are Python functions instead of programs."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import history, repos
from pachlocal.pfs.history.names import BranchName, CommitName, RepoName
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import content, tree
from pachlocal.pps.run.scheduler import Scheduler
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import datum_store, jobs, log_reading, pipelines
from pachlocal.pps.tables.datum_store import DatumInfo
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.log_reading import LogFilter, LogPosition
from pachlocal.pps.tables.logs import LogLine, LogWriter
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.runtime.contract import (
    CodeSource,
    Invocation,
    Outcome,
    Resources,
    StopToken,
    WorkerSpec,
    untold,
)
from pachlocal.storage.change_notifier import ChangeNotifier

DEADLINE_S = 30  # how long a job may take before a test gives up


class KilledError(Exception):
    """The command was ended from outside."""


@dataclass
class Run:
    """One run of a command.

    Attributes:
        pfs: Its `/pfs`.
        invocation: What was asked for.
        say: Writes a line of output.
        worker: The name of the worker.
        killed: Whether it has been ended.
    """

    pfs: Path
    invocation: Invocation
    say: Callable[[str], None]
    worker: str
    changed: threading.Condition
    killed: bool = False

    @property
    def inputs(self) -> dict[str, bytes]:
        """The files below `/pfs` but for `out` and `.env`, by path from there."""
        files = (path for path in self.pfs.rglob("*") if path.is_file())
        found = {path.relative_to(self.pfs).as_posix(): path.read_bytes() for path in files}
        return {
            path: data
            for path, data in found.items()
            if path != ".env" and not path.startswith("out/")
        }

    def write(self, path: str, data: bytes) -> None:
        place = self.pfs / "out" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def wait_until(self, found: Callable[[], bool]) -> None:
        """Block until it is found, or the command is ended."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.killed or found(), DEADLINE_S):
                raise TimeoutError
        if self.killed:
            raise KilledError


Program = Callable[[Run], "int | None"]


def copy(run: Run) -> None:
    """Write each input file below `out`, without the input's name."""
    for path, data in run.inputs.items():
        run.write(path.split("/", 1)[1], data)


def fail(_: Run) -> int:
    """End with an exit code that says so."""
    return 1


class FakeWorker:
    """Runs programs of a fake runtime."""

    uid = None

    def __init__(self, runtime: FakeRuntime, name: str, pfs: Path) -> None:
        self.pfs = pfs
        self._runtime = runtime
        self._name = name
        self._run: Run | None = None

    def run(
        self,
        invocation: Invocation,
        on_line: Callable[[str], None],
        stop: StopToken | None = None,
    ) -> Outcome:
        changed = self._runtime.changed
        run = Run(self.pfs, invocation, on_line, self._name, changed)
        with changed:
            self._run = run
            self._runtime.runs.append(run)
            changed.notify_all()
        try:
            with (stop or StopToken()).telling(self.kill):
                code = self._runtime.programs[invocation.cmd[0]](run)
            return Outcome(code or 0)
        except KilledError:
            return Outcome(137, "the command was killed")
        finally:
            self._run = None

    def hand_over(self) -> None:
        pass

    def place_of(self, path: str) -> Path | None:
        return self._runtime.place_of(path)

    def kill(self) -> None:
        with self._runtime.changed:
            if self._run is not None:
                self._run.killed = True
            self._runtime.changed.notify_all()

    def close(self) -> None:
        shutil.rmtree(self.pfs)


@dataclass
class FakeRuntime:
    """A runtime whose images hold Python functions.

    Attributes:
        root: Where workers have their folders.
        programs: What a command's first word runs.
        runs: All runs, in the order in which they began.
        opened: What workers were made for, in that order.
        changed: Notified when a run begins or is killed, and by tests.
        source: Where the code of all images is.
        place_of: Where on this machine is what commands see outside `/pfs`.
    """

    root: Path
    programs: dict[str, Program] = field(default_factory=lambda: {"copy": copy, "fail": fail})
    runs: list[Run] = field(default_factory=list)
    opened: list[WorkerSpec] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    open_flags: set[str] = field(default_factory=set)
    source: CodeSource | None = None
    place_of: Callable[[str], Path | None] = field(default=lambda _: None)

    def describe(self) -> str:
        return "Python functions"

    def prepare(
        self,
        image: str,
        given_up: Callable[[], bool],
        tell: Callable[[str], None] = untold,
        code: Path | None = None,
    ) -> bool:
        return True

    def code_of(self, image: str) -> CodeSource | None:
        return self.source

    def remark(self, image: str, words: Iterable[str], limits: Resources) -> str:
        return ""

    def open_worker(self, spec: WorkerSpec) -> FakeWorker:
        pfs = self.root / spec.name
        pfs.mkdir(parents=True)
        self.opened.append(spec)
        return FakeWorker(self, spec.name, pfs)

    def close(self) -> None:
        pass

    def wait_until(self, found: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(found, DEADLINE_S), "nothing happened"

    def raise_flag(self, flag: str) -> None:
        """Let the commands go on that wait for a flag."""
        with self.changed:
            self.open_flags.add(flag)
            self.changed.notify_all()

    def copy_when(self, flag: str) -> Program:
        """Make a program that copies once a flag is raised."""

        def program(run: Run) -> None:
            run.wait_until(lambda: flag in self.open_flags)
            copy(run)

        return program


def repo(name: str, type_: str = "user") -> RepoName:
    return RepoName("default", name, type_)


def pfs_input(repo_: str, glob: str = "/*", **more: Any) -> dict[str, Any]:
    return {"pfs": {"repo": repo_, "glob": glob, **more}}


def make_spec(name: str, input_: dict[str, Any], cmd: str = "copy", **more: Any) -> dict[str, Any]:
    transform = {"image": "fake", "cmd": [cmd], **more.pop("transform", {})}
    return {
        "pipeline": {"name": name},
        "transform": transform,
        "input": input_,
        "datum_tries": "1",
        **more,
    }


class World:
    """One store with its scheduler; can be restarted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.runtime = FakeRuntime(root / "workers")
        self._open()

    def _open(self) -> None:
        self.files = FileSystem(self._root)
        self.logs = LogWriter(self.files.database)
        self.scheduler = Scheduler(self.files, self.runtime, self.logs)
        self.scheduler.start({})

    def close(self) -> None:
        self.scheduler.close()
        self.logs.close()
        self.files.close()

    def restart(self) -> None:
        self.close()
        self._open()

    # --- data ---

    def make_repos(self, *names: str) -> None:
        with self.files.transaction() as tx:
            for name in names:
                repos.create_repo(tx, repo(name), update=False)

    def put(
        self, name: str, files: Mapping[str, bytes] | None = None, *, delete: Sequence[str] = ()
    ) -> str:
        """Put and delete files in one commit on master; return its ID."""
        with self.files.modify(CommitName(repo(name), "master")) as change:
            for path in delete:
                change.delete(path)
            for path, data in (files or {}).items():
                change.delete(path)
                change.add(path, data)
        return self.commit(name).name.id

    def start_commit(self, name: str) -> CommitInfo:
        with self.files.transaction() as tx:
            return history.start(tx, BranchName(repo(name), "master"))

    def commit(self, name: str, id_: str = "master", type_: str = "user") -> CommitInfo:
        with self.files.snapshot() as connection:
            return resolve.resolve(connection, CommitName(repo(name, type_), id_))

    def content(self, name: str, id_: str = "master", type_: str = "user") -> dict[str, bytes]:
        root = self.commit(name, id_, type_).root
        return {
            path: b"".join(content.read(self.files.objects, entry.content))
            for path, entry in tree.files(self.files.objects, root)
        }

    # --- pipelines and jobs ---

    def create(
        self, spec: dict[str, Any], *, update: bool = False, reprocess: bool = False
    ) -> PipelineInfo:
        with self.files.transaction() as tx:
            return pipelines.create(
                tx, self.files.objects, spec, update=update, reprocess=reprocess
            )

    def pipeline(self, name: str) -> PipelineInfo:
        with self.files.snapshot() as connection:
            return pipelines.inspect(connection, "default", name)

    def jobs(self, name: str) -> list[JobInfo]:
        """Return a pipeline's jobs, the oldest first."""
        with self.files.snapshot() as connection:
            key = pipelines.inspect(connection, "default", name).key
            return list(jobs.list_jobs(connection, pipeline=key))[::-1]

    def wait(self, name: str, id_: str | None = None) -> JobInfo:
        """Wait until a job has ended, the newest of the pipeline if none is named."""
        job = self.job(name, id_)
        self.wait_until(lambda: self.job(name, job.id).state.is_terminal)
        return self.job(name, job.id)

    def succeed(self, name: str, id_: str | None = None) -> JobInfo:
        job = self.wait(name, id_)
        assert (job.state, job.reason) == (JobState.SUCCESS, "")
        return job

    def job(self, name: str, id_: str | None = None) -> JobInfo:
        if id_ is None:
            return self.jobs(name)[-1]
        with self.files.snapshot() as connection:
            return jobs.inspect(connection, repo(name), id_)

    def end(self, job: JobInfo, reason: str = "job stopped") -> None:
        with self.files.transaction() as tx:
            jobs.end_without_output(tx, self.files.objects, job, JobState.KILLED, reason)

    def counts(self, job: JobInfo) -> dict[str, int]:
        """Return how many datums a job ran, skipped, and so on, those that are not 0."""
        with self.files.snapshot() as connection:
            progress = jobs.progress(connection, job)
        counts = {
            name: getattr(progress, name)
            for name in ("total", "processed", "skipped", "failed", "recovered")
        }
        return {name: count for name, count in counts.items() if count}

    def datums(self, job: JobInfo) -> list[DatumInfo]:
        with self.files.snapshot() as connection:
            return list(datum_store.list_datums(connection, job))

    def log(self, wanted: LogFilter, last: int = 0) -> list[LogLine]:
        """Read the lines of a log, as `logs --tail` does if it is only the last ones."""
        self.logs.flush()
        found: list[LogLine] = []
        with self.files.snapshot() as connection:
            place = log_reading.tail(connection, wanted, last) if last else LogPosition()
            while True:
                lines, place = log_reading.read(connection, wanted, place)
                if not lines:
                    return found
                for line in lines:
                    found += (line._replace(message=it) for it in line.message.split("\n"))

    def wait_for_line(self, text: str, wanted: LogFilter) -> str:
        """Wait until a line with a text is stored, which is soon after it was written."""
        found: list[str] = []

        def look() -> bool:
            found.extend(line.message for line in self.log(wanted) if text in line.message)
            return bool(found)

        self.wait_until(look, self.files.database.progress)
        return found[0]

    def wait_until(self, found: Callable[[], bool], notifier: ChangeNotifier | None = None) -> None:
        notifier = notifier or self.files.database.notifier
        deadline = time.monotonic() + DEADLINE_S
        while True:
            seen = notifier.version
            if found():
                return
            left = deadline - time.monotonic()
            assert left > 0, "nothing happened"
            notifier.wait(seen, left)
