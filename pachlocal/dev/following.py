"""Goes along with the jobs of changes: tells of each that ends, and how far the others are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import grpc

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.pps.logs import Writer, log_texts
from pachlocal.proto import pfs_pb2, pps_pb2

ENDED = (
    pps_pb2.JOB_SUCCESS,
    pps_pb2.JOB_FAILURE,
    pps_pb2.JOB_KILLED,
    pps_pb2.JOB_UNRUNNABLE,
)
_NEWEST = 20  # jobs that are looked at for new sets
_FILES_NAMED = 3
_FILES_COUNTED = 1000


class Follower:
    """Follows sets of jobs, each in a thread of its own that waits for their ends."""

    def __init__(
        self,
        session: Session,
        is_ours: Callable[[pps_pb2.Pipeline], bool],
        ended: Callable[[pps_pb2.JobInfo], None],
        over: Callable[[str], None],
    ) -> None:
        """Follow nothing yet.

        Args:
            session: The server.
            is_ours: Whether a pipeline's jobs count; may be called by another thread.
            ended: Is called, by another thread, when a job has ended.
            over: Is called, by another thread, with a set's ID when all its jobs that count have.
        """
        self._session = session
        self._is_ours = is_ours
        self._ended = ended
        self._over = over
        self._seen: set[str] = set()

    def newest(self) -> list[pps_pb2.JobInfo]:
        """Return those of the newest jobs that count."""
        request = pps_pb2.ListJobRequest(number=_NEWEST, details=False)
        return self._ours(self._session.server.pps.ListJob(request))

    def _ours(self, infos: Iterable[pps_pb2.JobInfo]) -> list[pps_pb2.JobInfo]:
        return [info for info in infos if self._is_ours(info.job.pipeline)]

    def forget_what_is(self) -> None:
        """Don't follow what has ended by now."""
        found = self.newest()
        self._seen |= {info.job.id for info in found}
        self._seen -= {info.job.id for info in found if info.state not in ENDED}

    def follow_new(self) -> list[str]:
        """Begin to follow the sets that have come; return their IDs."""
        new = []
        for info in self.newest():
            if info.job.id not in self._seen:
                self._seen.add(info.job.id)
                new.append(info.job.id)
                threading.Thread(target=self._follow, args=(info.job.id,), daemon=True).start()
        return new

    def state_of(self, id_: str) -> list[pps_pb2.JobInfo]:
        """Return the jobs of a set that count, as they are now."""
        try:
            request = pps_pb2.InspectJobSetRequest(job_set=pps_pb2.JobSet(id=id_), details=True)
            return self._ours(self._session.server.pps.InspectJobSet(request))
        except grpc.RpcError:
            return []  # it was deleted

    def _follow(self, id_: str) -> None:
        told: set[tuple[str, str]] = set()
        try:
            # Each by itself: to wait for the set is to wait for jobs that don't count, too.
            while left := [info for info in self.state_of(id_) if _name(info) not in told]:
                request = pps_pb2.InspectJobRequest(job=left[0].job, wait=True, details=True)
                self._ended(self._session.server.pps.InspectJob(request))
                told.add(_name(left[0]))
        except (grpc.RpcError, ValueError):
            pass  # it was deleted, or the program ends; whether the server is there, the loop sees
        self._over(id_)

    def log_tail(self, info: pps_pb2.JobInfo, lines: int, datum: str = "") -> list[str]:
        """Return the last lines that a job's code wrote, or those about one datum."""
        request = pps_pb2.GetLogsRequest(pipeline=info.job.pipeline, job=info.job, tail=lines)
        if datum:
            request.datum.CopyFrom(pps_pb2.Datum(job=info.job, id=datum))
        try:
            texts = log_texts(self._session, request, Writer.USER)
            return [line for text in texts for line in text.splitlines()][-lines:]
        except grpc.RpcError:
            return []

    def result(self, info: pps_pb2.JobInfo) -> str:
        """Name what a job changed in its output: files, or that there is nothing else."""
        changed: dict[str, str] = {}
        try:
            for path, what in islice(self._changes(info), _FILES_COUNTED):
                changed[path] = what
        except grpc.RpcError:
            return ""  # a spout's, or deleted
        if not changed:
            return "no file changed"
        named = [f"{what}{path}" for path, what in islice(changed.items(), _FILES_NAMED)]
        more = len(changed) - len(named)
        count = f"{more}+" if len(changed) == _FILES_COUNTED else f"{more}"
        return ", ".join(named) + (f" and {count} more" if more else "")

    def _changes(self, info: pps_pb2.JobInfo) -> Iterator[tuple[str, str]]:
        new = pfs_pb2.File(commit=info.output_commit, path="/")
        for diff in self._session.server.pfs.DiffFile(pfs_pb2.DiffFileRequest(new_file=new)):
            is_new, was = diff.HasField("new_file"), diff.HasField("old_file")
            it = diff.new_file if is_new else diff.old_file
            if it.file_type == pfs_pb2.FileType.FILE:
                yield it.file.path, "" if is_new and was else "new " if is_new else "gone "


def _name(info: pps_pb2.JobInfo) -> tuple[str, str]:
    return info.job.pipeline.project.name, info.job.pipeline.name
