"""A load on the pipelines of `dag`, and what must be true of their jobs, whatever was killed."""

from __future__ import annotations

import math
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from crash.dag import BAD, BAD_REASON, STAGES, TRIES, Files, Run, Side, job, pipeline, spec
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

_KEPT = "keep"  # in both repos, always: no input is ever empty
_NAMES = [f"f{number}" for number in range(5)]
_REPOS = ("left", "right")
_LISTED = 400  # jobs, more than a round makes
_LONGEST_WAIT_S = 120.0  # for the jobs of a round; what takes longer hangs
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_ENDED_BY_USER = ("pipeline was stopped", "all jobs killed because pipeline was updated")
_ENDED = (
    pps_pb2.JOB_SUCCESS,
    pps_pb2.JOB_FAILURE,
    pps_pb2.JOB_KILLED,
    pps_pb2.JOB_UNRUNNABLE,
)


class Client:
    """The two services."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)

    def jobs(self) -> list[pps_pb2.JobInfo]:
        """Returns the newest jobs of all pipelines."""
        return list(self.pps.ListJob(pps_pb2.ListJobRequest(history=-1, number=_LISTED)))

    def unfinished(self) -> list[pps_pb2.JobInfo]:
        return [info for info in self.jobs() if info.state not in _ENDED]

    def head(self, repo: str) -> pfs_pb2.CommitInfo:
        commit = pfs_pb2.Commit(repo=_repo(repo), id="master")
        return self.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))

    def read(self, commit: pfs_pb2.Commit) -> Files:
        root = pfs_pb2.File(commit=commit, path="/")
        files = {}
        for info in self.pfs.WalkFile(pfs_pb2.WalkFileRequest(file=root)):
            if info.file_type == pfs_pb2.FILE:
                pieces = self.pfs.GetFile(pfs_pb2.GetFileRequest(file=info.file))
                text = b"".join(piece.value for piece in pieces).decode()
                files[info.file.path[1:]] = text
        return files


@dataclass
class PipelineLoad:
    """Calls a daemon at random, and remembers what was acknowledged and what was killed.

    Attributes:
        seed: Where the randomness begins.
        side: What ran.
        files: What the input repos hold.
        under_way: What one holds if the call that was not answered has happened.
        tags: With which a pipeline's files were marked, the newest last.
        renewed: The tag from which on all was reprocessed.
        updating: The tag of an update that was not answered, and whether all is reprocessed.
        stopped: The pipelines that are stopped; None of one that may be.
        kills: How often the command of a datum, or what had started it, was killed.
        flights: How often the daemon was killed while a datum was at work.
        halts: How often a job's pipeline was stopped before the job had ended.
        done: How often the command of a datum had run when its result was on disk.
    """

    seed: int
    side: Side
    files: dict[str, Files] = field(default_factory=lambda: {repo: {} for repo in _REPOS})
    under_way: tuple[str, Files] | None = None
    tags: dict[str, list[str]] = field(default_factory=dict)
    renewed: dict[str, str] = field(default_factory=dict)
    updating: tuple[str, str, bool] | None = None
    stopped: dict[str, bool | None] = field(default_factory=dict)
    kills: Counter[Run] = field(default_factory=Counter)
    flights: Counter[Run] = field(default_factory=Counter)
    halts: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: dict[Run, int] = field(default_factory=dict)
    checked: set[tuple[str, str]] = field(default_factory=set)
    states: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - no secret
        self._number = 0

    def create(self, client: Client) -> None:
        """Makes the repos and pipelines."""
        for repo in _REPOS:
            client.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_repo(repo)))
            self._put(client, repo, {_KEPT: "always", "f0": "first"})
        for name, stage in STAGES.items():
            self.tags[name] = ["v1"]
            self.renewed[name] = "v1"
            self.stopped[name] = False
            client.pps.CreatePipeline(spec(stage, self.side, "v1"))

    def run(self, client: Client, calls: int) -> None:
        """Makes some calls; fewer when the daemon goes."""
        kinds: dict[Callable[[Client], None], int] = {
            self._put_some: 6,
            self._delete_some: 2,
            self._update: 2,
            self._stop_or_start: 2,
        }
        try:
            for _ in range(calls):
                (call,) = self._random.choices(list(kinds), list(kinds.values()))
                call(client)
        except grpc.RpcError as error:
            assert error.code() in _GONE, error  # noqa: PT017 - anything else is a refusal

    def put_everywhere(self, client: Client) -> None:
        """Makes work for every pipeline that isn't stopped."""
        for repo in _REPOS:
            self._put(client, repo, {"f0": self._text()})

    def _put_some(self, client: Client) -> None:
        repo = self._random.choice(_REPOS)
        new = {name: self._text() for name in self._random.sample(_NAMES, 2)}
        bad = {name for name, text in self.files[repo].items() if text.startswith(BAD)}
        if repo == "left" and not bad and self._random.random() < 0.1:
            new[self._random.choice(_NAMES)] = f"{BAD} {self._text()}"
        new.update((name, self._text()) for name in bad)
        self._put(client, repo, new)

    def _delete_some(self, client: Client) -> None:
        repo = self._random.choice(_REPOS)
        self._put(client, repo, dict.fromkeys(self._random.sample(_NAMES, 2)))

    def _put(self, client: Client, repo: str, new: dict[str, str] | dict[str, None]) -> None:
        """Puts files, and deletes those that are None, in one commit."""
        after = dict(self.files[repo])
        target = pfs_pb2.Commit(repo=_repo(repo), id="master")
        requests = [pfs_pb2.ModifyFileRequest(set_commit=target)]
        for name, text in new.items():
            gone = pfs_pb2.DeleteFile(path=f"/{name}")
            requests.append(pfs_pb2.ModifyFileRequest(delete_file=gone))
            after.pop(name, None)
            if text is not None:
                raw = BytesValue(value=text.encode())
                add = pfs_pb2.AddFile(path=f"/{name}", raw=raw)
                requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
                after[name] = text
        self.under_way = (repo, after)
        client.pfs.ModifyFile(iter(requests))
        self.files[repo] = after
        self.under_way = None

    def _update(self, client: Client) -> None:
        name = self._random.choice([name for name, stage in STAGES.items() if stage.tagged])
        tag, reprocess = f"v{self._next()}", self._random.random() < 0.5
        self.updating = (name, tag, reprocess)
        request = spec(STAGES[name], self.side, tag)
        request.update, request.reprocess = True, reprocess
        client.pps.CreatePipeline(request)
        self._updated()

    def _updated(self) -> None:
        if self.updating is not None:
            name, tag, reprocess = self.updating
            self.tags[name].append(tag)
            if reprocess:
                self.renewed[name] = tag
            self.updating = None

    def _possible_tags(self, name: str) -> list[str]:
        tags = self.tags[name]
        if self.stopped[name]:
            return tags  # it is reprocessed when it is started
        return tags[tags.index(self.renewed[name]) :]

    def _stop_or_start(self, client: Client) -> None:
        stopped = [name for name, is_stopped in self.stopped.items() if is_stopped]
        if stopped:
            name = stopped[0]
            self.stopped[name] = None
            client.pps.StartPipeline(pps_pb2.StartPipelineRequest(pipeline=pipeline(name)))
            self.stopped[name] = False
        else:
            name = self._random.choice(list(STAGES))
            self.stopped[name] = None
            client.pps.StopPipeline(pps_pb2.StopPipelineRequest(pipeline=pipeline(name)))
            self.stopped[name] = True
            left = [(info.job.pipeline.name, info.job.id) for info in client.unfinished()]
            self.halts.update(key for key in left if key[0] == name)

    def _text(self) -> str:
        return f"text {self._next()}"

    def _next(self) -> int:
        self._number += 1
        return self._number

    # ---- what must be true

    def note_death(self, root: Path, before: Counter[Run]) -> None:
        """Takes note, of a daemon that was killed, of what was done and what was at work.

        Args:
            root: Its store.
            before: What had run when it was started.
        """
        runs, done, unfinished = self.side.runs(), *_datums(root)
        self.done.update((run, runs[run]) for run in done)
        at_work: Counter[str] = Counter()
        for run in runs - before:
            if run not in done:
                self.flights[run] += 1
                at_work[run.pipeline] += (run.pipeline, run.job) in unfinished
        for name, number in at_work.items():  # a worker's last datum may just be being recorded
            most = 2 * STAGES[name].workers
            assert number <= most, f"{name}: {number} datums done and not recorded"

    def check(self, client: Client) -> None:
        """Waits for all jobs, and looks at each and at what the pipelines hold."""
        self._settle(client)
        for info in client.unfinished():
            request = pps_pb2.InspectJobRequest(job=info.job, wait=True)
            client.pps.InspectJob(request, timeout=_LONGEST_WAIT_S)
        runs = self.side.runs()
        for run, times in self.done.items():
            assert runs[run] == times, f"{run} was done, and ran again"
        for info in client.jobs():
            key = (info.job.pipeline.name, info.job.id)
            if key not in self.checked:
                self._check_job(client, info, runs)
                self.checked.add(key)
        for name in STAGES:
            self._check_output(client, name)
        assert list(client.pfs.Fsck(pfs_pb2.FsckRequest())) == []

    def _settle(self, client: Client) -> None:
        """Finds out whether the call that was not answered has happened."""
        for repo in _REPOS:
            held = client.read(pfs_pb2.Commit(repo=_repo(repo), id="master"))
            if held != self.files[repo]:
                assert (repo, held) == self.under_way, f"{repo} lost what was acknowledged"
                self.files[repo] = held
        self.under_way = None
        for info in client.pps.ListPipeline(pps_pb2.ListPipelineRequest(details=True)):
            name = info.pipeline.name
            tag = info.details.transform.env["TAG"]
            if tag != self.tags[name][-1]:
                assert self.updating is not None, f"{name} was updated by nobody"
                assert self.updating[:2] == (name, tag), f"{name} lost its update"
                self._updated()
            if self.stopped[name] is None:
                self.stopped[name] = info.stopped
            assert info.stopped == self.stopped[name], name
        self.updating = None

    def _check_job(self, client: Client, info: pps_pb2.JobInfo, runs: Counter[Run]) -> None:
        name, id_ = info.job.pipeline.name, info.job.id
        state = pps_pb2.JobState.Name(info.state)
        self.states[state] += 1
        failed = []
        interrupted = 0
        for datum in client.pps.ListDatum(pps_pb2.ListDatumRequest(job=job(name, id_))):
            run = Run(name, id_, datum.datum.id)
            is_failed = datum.state == pps_pb2.FAILED
            times, tries = 1 + self.flights[run], TRIES if is_failed else 1
            more = runs[run] - tries * times - self.kills[run]
            interrupted += max(0, math.ceil(more / tries))
            most = self.halts[name, id_] * STAGES[name].workers
            assert interrupted <= most, f"{run}: ran {more} times more than is explained"
            if datum.state == pps_pb2.SKIPPED:
                assert runs[run] == 0, f"{run} was skipped, and ran"
            elif info.state == pps_pb2.JOB_SUCCESS:
                assert datum.state == pps_pb2.SUCCESS, run
            if datum.state in (pps_pb2.SUCCESS, pps_pb2.FAILED):
                assert runs[run] >= 1, f"{run} never ran"
            if is_failed:
                failed.append(run)
        sources = [
            client.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))
            for commit in self._sources(client, info.output_commit)
        ]
        if info.state == pps_pb2.JOB_FAILURE:
            killed = any(self.kills[run] >= TRIES for run in failed)
            bad = name == "copy" and BAD_REASON in info.reason
            assert failed, (info.job, info.reason)
            assert killed or bad, (info.job, info.reason)
        elif info.state == pps_pb2.JOB_UNRUNNABLE:
            assert any(source.error for source in sources), info.job
        elif info.state == pps_pb2.JOB_KILLED:
            assert info.reason in _ENDED_BY_USER, (info.job, info.reason)
        else:
            assert info.state == pps_pb2.JOB_SUCCESS, (info.job, state)
            assert not any(source.error for source in sources), info.job

    def _check_output(self, client: Client, name: str) -> None:
        stage = STAGES[name]
        head = client.head(name)
        assert head.HasField("finished"), name
        found = client.read(head.commit)
        sources = {commit.repo.name: commit for commit in self._sources(client, head.commit)}
        if not sources:
            assert self.stopped[name] is not False, f"{name} is cut off from its input"
            return
        if not self.stopped[name]:
            for repo, commit in sources.items():
                assert client.head(repo).commit.id == commit.id, f"{name} has not seen {repo}"
        if head.error:
            assert found == {}, f"{name} failed, and has an output"
            return
        inputs = {repo: client.read(commit) for repo, commit in sources.items()}
        expected = {tag: stage.outputs(inputs, tag) for tag in self._possible_tags(name)}
        assert found.keys() == expected[self.tags[name][-1]].keys(), name
        for path, text in found.items():
            possible = [files[path] for files in expected.values()]
            assert text in possible, f"{name}:/{path}: {text!r} is none of {possible[-5:]}"

    def _sources(self, client: Client, commit: pfs_pb2.Commit) -> list[pfs_pb2.Commit]:
        """Returns the input commits that a commit is made from."""
        info = client.pfs.InspectCommit(pfs_pb2.InspectCommitRequest(commit=commit))
        return [source for source in info.direct_provenance if source.repo.type == "user"]


def _datums(root: Path) -> tuple[set[Run], set[tuple[str, str]]]:
    """Returns the datums with a result on disk, and the jobs that had not ended.

    Reads a copy: a look at the store itself would do the recovery that the next daemon has to do.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in root.glob("pach.db*"):
            shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder, "pach.db"))) as connection:
            done = connection.execute(
                "SELECT p.name, j.commit_set, hex(d.id) FROM datums d"
                " JOIN jobs j ON j.id = d.job_id JOIN pipelines p ON p.id = j.pipeline_id"
                " WHERE d.state NOT IN (0, 3, 4)"  # neither waiting nor skipped
            ).fetchall()
            unfinished = connection.execute(
                "SELECT p.name, j.commit_set FROM jobs j JOIN pipelines p ON p.id = j.pipeline_id"
                " WHERE j.state IN (1, 2, 3, 8)"
            ).fetchall()
    return {Run(name, id_, datum.lower()) for name, id_, datum in done}, set(unfinished)


def _repo(name: str) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type="user", project=pfs_pb2.Project(name="default"))
