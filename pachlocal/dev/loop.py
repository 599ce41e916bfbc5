"""Lets the server run what is saved, and says what comes of it."""

from __future__ import annotations

import json
import queue
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.local_service import local_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.pps.specification import send
from pachlocal.cli.pachctl.pps.specs import Document
from pachlocal.dev.following import ENDED, Follower
from pachlocal.dev.project import Changes, Project, image_of, key_of
from pachlocal.dev.screen import Screen
from pachlocal.dev.watching import Watcher
from pachlocal.errors import CliError
from pachlocal.lint import refusals
from pachlocal.pps.spec.inputs import COMBINATIONS
from pachlocal.pps.spec.spec import CODE
from pachlocal.proto import local_pb2, pfs_pb2, pps_pb2

_BUSY_S = 0.2  # between two looks at jobs that run
_IDLE_S = 1.0  # between two looks for jobs that others began, and for folders that came back
_LOG_LINES = 8  # of a datum that failed
_SETTLING_S = 3.0  # after which a pipeline that was created says what it is waiting for
_PROGRESS_S = 2.0  # between two lines about a job that runs, without a terminal

_Event: TypeAlias = "tuple[str, Any]"


class Loop:
    """One session of `pachlocal dev`."""

    def __init__(self, folder: Path, session: Session, runtime: str = "process") -> None:
        """Watch nothing yet.

        Args:
            folder: The project.
            session: The server.
            runtime: How it runs commands.
        """
        self._runtime = runtime
        self._project = Project(folder)
        self._session = session
        self._screen = Screen()
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._is_over = False
        self._watcher = Watcher(lambda: self._events.put(("saved", time.monotonic())))
        self._follower = Follower(
            session,
            self._is_ours,
            lambda info: self._events.put(("ended", info)),
            lambda id_: self._events.put(("over", id_)),
        )
        self._ours: frozenset[tuple[str, str]] = frozenset()  # pipelines, by project and name
        self._running: dict[str, float | None] = {}  # sets of jobs, and the saves that began them
        self._refused: dict[tuple[str, str], Document] = {}  # what is tried again
        self._told: dict[str, str] = {}  # what was last said about a pipeline
        self._progress_at = 0.0
        self._submitted_at = -_SETTLING_S
        self._idle_at = 0.0  # when folders were looked after that nobody tells of

    def run(self) -> None:
        """Go on until the user interrupts it.

        Raises:
            KeyboardInterrupt: The user didn't wait for the end of the step.
            grpc.RpcError: The server has gone.
        """
        signal.signal(signal.SIGINT, self._interrupt)
        changes = self._look()
        self._follower.forget_what_is()
        self._watcher.watch(self._project.flat_folders, self._project.code_folders)
        count = len(self._project.specs)
        self._screen.say(
            "dev",
            f"watching {self._project.folder}: {count} pipeline{'s' * (count != 1)}, "
            f"{len(self._project.code_folders)} with code (Ctrl-C ends; the server and its data "
            "stay)",
        )
        if not count and not changes.problems:
            self._screen.say("dev", "no specification here yet; `pachlocal init` makes a project")
        if self._runtime == "docker":
            self._screen.say("dev", "images run as they are built: docker compose build, then save")
        self._apply(changes, None, first=True)
        try:
            while not self._is_over:
                self._step()
        finally:
            self._watcher.close()

    def _interrupt(self, *_: object) -> None:
        """End after this step: an exception in the middle of it could leave a lock taken."""
        self._is_over = True
        self._events.put(("over", ""))  # wakes who waits; handlers may put into a SimpleQueue
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who insists doesn't wait

    def _step(self) -> None:
        try:
            kind, value = self._events.get(timeout=_BUSY_S if self._running else _IDLE_S)
        except queue.Empty:
            self._tick()
            return
        if kind == "saved":
            self._saved(value)
        elif kind == "ended":
            self._report(value)
        else:
            began = self._running.pop(value, None)
            if began is not None and not self._running:
                self._screen.say("dev", f"done {time.monotonic() - began:.2f} s after the save")
            self._draw()

    def _tick(self) -> None:
        self._follow(None)
        self._draw()
        if time.monotonic() - self._idle_at < _IDLE_S:
            return
        self._idle_at = time.monotonic()
        self._watch(None)  # nobody tells of a folder that came back
        for document in list(self._refused.values()):
            self._submit(document, None, again=True)

    def _saved(self, when: float) -> None:
        self._apply(self._look(), when)
        self._watch(when)

    def _watch(self, saved: float | None) -> None:
        if self._watcher.watch(self._project.flat_folders, self._project.code_folders):
            self._apply(self._look(), saved)  # what was saved while nobody watched

    def _look(self) -> Changes:
        changes = self._project.look()
        usual = self._session.project()
        self._ours = frozenset((project or usual, name) for project, name in self._project.specs)
        return changes

    def _is_ours(self, pipeline: pps_pb2.Pipeline) -> bool:
        return (pipeline.project.name, pipeline.name) in self._ours

    def _apply(self, changes: Changes, saved: float | None, *, first: bool = False) -> None:
        """Have the server run what changed, inputs before outputs."""
        for problem in changes.problems:
            self._screen.say("problem", problem, "red")
        for note in changes.notes:
            self._screen.say("note", note)
        wanted = {key_of(document): document for document in changes.specs}
        for key, document in self._project.specs.items():
            if image_of(document) in changes.images:
                wanted.setdefault(key, document)
        for document in in_order(list(wanted.values())):
            if self._is_over:
                return
            if not (first and self._is_up_to_date(document)):
                self._submit(document, saved)
        if wanted:
            self._draw()

    def _submit(self, document: Document, saved: float | None, *, again: bool = False) -> None:
        """Create or update a pipeline."""
        self._refused.pop(key_of(document), None)
        name = document.request.pipeline.name
        problem = next(refusals(document._replace(notes=())), "")  # old forms are converted
        if problem:
            self._screen.say(name, f"{document.place}: {problem}", "red")
            return
        request = _request_of(document, self._session.project())
        exists = self._find(document) is not None
        try:
            _, remarks = send(self._session, request)
        except CliError as refusal:
            self._refused[key_of(document)] = document
            if not again:
                self._screen.say(name, f"{document.place}: {refusal}", "red")
            return
        self._submitted_at = time.monotonic()
        self._screen.say(name, "updated" if exists else "created")
        for remark in remarks:
            if remark.startswith("warning"):
                self._screen.say(name, remark, "yellow")
        self._follow(saved)

    def _find(self, document: Document) -> pps_pb2.PipelineInfo | None:
        pipeline = pps_pb2.Pipeline(
            name=document.request.pipeline.name,
            project=pfs_pb2.Project(name=key_of(document)[0] or self._session.project()),
        )
        request = pps_pb2.InspectPipelineRequest(pipeline=pipeline, details=True)
        try:
            return self._session.server.pps.InspectPipeline(request)
        except grpc.RpcError as error:
            if status_of(error) is grpc.StatusCode.UNAVAILABLE:
                raise
            return None  # what else is wrong, the server says when it is created

    def _is_up_to_date(self, document: Document) -> bool:
        """Whether the server has this pipeline, and nothing would run if it were updated."""
        info = self._find(document)
        text = _request_of(document, self._session.project()).create_pipeline_request_json
        if info is None or json.loads(info.user_spec_json or "{}") != json.loads(text):
            return False
        planned = local_pb2.PlannedPipeline(spec_json=text, update=True)
        request = local_pb2.PlanPipelinesRequest(pipelines=[planned])
        try:
            plan = local_of(self._session).PlanPipelines(request)
        except grpc.RpcError as error:
            if status_of(error) is grpc.StatusCode.UNAVAILABLE:
                raise
            return False  # what is wrong, the update says
        if any(job.run for job in plan.jobs if job.pipeline.name == info.pipeline.name):
            return False
        self._screen.say(document.request.pipeline.name, "up to date")
        return True

    def _follow(self, saved: float | None) -> None:
        for id_ in self._follower.follow_new():
            self._running[id_] = saved

    def _report(self, info: pps_pb2.JobInfo) -> None:
        """Say how a job ended."""
        name, seconds = info.job.pipeline.name, _seconds(info)
        if info.state == pps_pb2.JOB_SUCCESS:
            took = f" in {seconds:.2f} s" if seconds is not None else ""
            text = f"{_counts(info)}{took} → {self._follower.result(info)}"
            self._screen.say(name, text.removesuffix(" → "), "green")
        elif info.state == pps_pb2.JOB_KILLED:
            self._screen.say(name, f"left: {info.reason or 'stopped'}", "yellow")
        else:
            self._screen.say(name, f"failed: {info.reason}", "red")
            datum = info.reason.removeprefix("datum ").partition(" ")[0]
            if info.reason.startswith("datum "):
                self._screen.quote(self._follower.log_tail(info, _LOG_LINES, datum))
        self._draw()

    def _draw(self) -> None:
        """Show how far the jobs are that run."""
        lines = []
        for id_ in self._running:
            for info in self._follower.state_of(id_):
                if info.state in ENDED:
                    continue
                begun = info.state != pps_pb2.JOB_CREATED
                text = _counts(info) if begun else "waits"
                label = info.job.pipeline.name
                if self._screen.is_terminal and begun:
                    text += "".join(f"  {line}" for line in self._follower.log_tail(info, 1))
                lines.append((label, text))
        lines += self._starting()
        if self._screen.is_terminal:
            self._screen.draw([f"{label}: {text}" for label, text in lines])
            return
        now = time.monotonic()
        if lines and now - self._progress_at > _PROGRESS_S:
            if self._progress_at:
                for label, text in lines:
                    self._screen.say(label, text)
            self._progress_at = now
        elif not lines:
            self._progress_at = 0.0

    def _starting(self) -> list[tuple[str, str]]:
        """Say once why a pipeline can't run at all; return those that are made ready, and how."""
        is_new = time.monotonic() - self._submitted_at < _SETTLING_S
        if not self._running and not self._told and not is_new:
            return []
        now, starting = {}, []
        for info in self._session.server.pps.ListPipeline(pps_pb2.ListPipelineRequest()):
            if not self._is_ours(info.pipeline):
                continue
            name, reason = info.pipeline.name, info.reason
            if info.state in (pps_pb2.PIPELINE_CRASHING, pps_pb2.PIPELINE_FAILURE):
                now[name] = f"can't run: {reason}"
                if self._told.get(name) != now[name]:
                    self._screen.say(name, now[name], "red")
            elif info.state == pps_pb2.PIPELINE_STARTING and reason:
                now[name] = reason.partition(": ")[0]
                starting.append((name, reason))
                if self._told.get(name) != now[name]:
                    self._screen.say(name, now[name])
        self._told = now
        return starting


def in_order(documents: list[Document]) -> list[Document]:
    """Sort specifications, inputs before what reads them, as far as that is possible."""
    by_name = {document.request.pipeline.name: document for document in documents}
    done: dict[str, Document] = {}

    def add(document: Document, above: tuple[str, ...]) -> None:
        name = document.request.pipeline.name
        if name in done or name in above:
            return
        for repo in _repos(document.spec.get("input")):
            if repo in by_name:
                add(by_name[repo], (*above, name))
        done[name] = document

    for document in documents:
        add(document, ())
    return list(done.values())


def _repos(input_: Any) -> Iterator[str]:
    if not isinstance(input_, dict):
        return
    pfs = input_.get("pfs")
    if isinstance(pfs, dict):
        yield str(pfs.get("repo"))
    for kind in COMBINATIONS:
        for arm in input_.get(kind) or ():
            yield from _repos(arm)


def _request_of(document: Document, project: str) -> pps_pb2.CreatePipelineV2Request:
    """Make the request that creates or updates a pipeline, with code that counts."""
    spec = json.loads(json.dumps(document.spec))
    spec["pipeline"].setdefault("project", {"name": project})
    annotations = spec.setdefault("metadata", {}).setdefault("annotations", {})
    counts = annotations.setdefault(CODE, "true") == "true"
    return pps_pb2.CreatePipelineV2Request(
        create_pipeline_request_json=json.dumps(spec), update=True, reprocess=not counts
    )


def _counts(info: pps_pb2.JobInfo) -> str:
    """Write how many of a job's datums are done."""
    ran = info.data_processed + info.data_recovered
    done = ran + info.data_skipped + info.data_failed
    total = info.data_total
    if info.state != pps_pb2.JOB_SUCCESS:
        return f"{done} of {total} datums"
    skipped = f", {info.data_skipped} skipped" if info.data_skipped else ""
    return f"{ran} of {total} datum{'s' * (total != 1)} ran{skipped}"


def _seconds(info: pps_pb2.JobInfo) -> float | None:
    if not (info.HasField("started") and info.HasField("finished")):
        return None
    return (info.finished.ToNanoseconds() - info.started.ToNanoseconds()) / 1e9
