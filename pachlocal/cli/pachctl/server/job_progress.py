"""A line on the terminal that says how far jobs are, while a command waits for them."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.proto import pps_pb2
from pachlocal.untrusted import printable

_INTERVAL_S = 0.5
_CLEAR = "\r\x1b[K"
_TROUBLED = (pps_pb2.PIPELINE_STARTING, pps_pb2.PIPELINE_CRASHING, pps_pb2.PIPELINE_FAILURE)
_OPEN = (pps_pb2.JOB_CREATED, pps_pb2.JOB_STARTING, pps_pb2.JOB_RUNNING, pps_pb2.JOB_FINISHING)


class JobProgress:
    """Shows the datums done of all, or what keeps them, for each job of a set that isn't done."""

    def __init__(self, session: Session, id_: str) -> None:
        self._session = session
        self._id = id_
        self._lock = threading.Lock()  # held while something is drawn
        self._over = threading.Event()
        self._drawn = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to show it."""
        self._thread.start()

    def clear(self) -> None:
        """Make room for a line of somebody else."""
        with self._lock:
            self._clear()

    def stop(self) -> None:
        """Show it no more."""
        self._over.set()
        self._thread.join()
        self.clear()

    def _clear(self) -> None:
        if self._drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._drawn = False

    def _run(self) -> None:
        request = pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id=self._id), details=True)
        while not self._over.wait(_INTERVAL_S):
            try:
                infos = self._session.server.pps.InspectJobSet(request)
                running = [info for info in infos if info.state in _OPEN]
                obstacles = {} if all(map(_done, running)) else self._obstacles()
            except (grpc.RpcError, ValueError):
                return  # what waits will say why
            text = ", ".join(
                _how_far(info, obstacles.get(_key(info.job.pipeline), "")) for info in running
            )
            width = shutil.get_terminal_size().columns - 1  # a line that is wrapped stays
            with self._lock:
                if not self._over.is_set():
                    sys.stderr.write(_CLEAR + text[:width])
                    sys.stderr.flush()
                    self._drawn = True

    def _obstacles(self) -> dict[tuple[str, str], str]:
        """Return why no worker of some pipelines begins."""
        found = self._session.server.pps.ListPipeline(pps_pb2.ListPipelineRequest())
        return {_key(info.pipeline): info.reason for info in found if info.state in _TROUBLED}


def _how_far(info: pps_pb2.JobInfo, obstacle: str) -> str:
    """Write how far a job is: `clean: 3 of 10 datums`, `report: waits`."""
    how = f"{_done(info)} of {info.data_total} datums"
    if info.state == pps_pb2.JOB_CREATED:
        how = "waits"
    if obstacle and not _done(info):
        how = obstacle
    return printable(f"{info.job.pipeline.name}: {how}")


def _done(info: pps_pb2.JobInfo) -> int:
    return info.data_processed + info.data_skipped + info.data_failed + info.data_recovered


def _key(pipeline: pps_pb2.Pipeline) -> tuple[str, str]:
    return pipeline.project.name, pipeline.name


@contextmanager
def job_progress(session: Session, id_: str) -> Iterator[JobProgress | None]:
    """Show how far a set of jobs is while the block lasts, if somebody looks at a terminal.

    Args:
        session: The call's session.
        id_: The set; empty for none.
    """
    if not (id_ and sys.stderr.isatty()):
        yield None
        return
    progress = JobProgress(session, id_)
    progress.start()
    try:
        yield progress
    finally:
        progress.stop()
