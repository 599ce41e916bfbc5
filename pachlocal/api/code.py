"""Calls of pachlocal.v1.Local about code: which version a job runs, and its files."""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.api import wire
from pachlocal.api.pps import PpsApi
from pachlocal.api.pps.messages import hex_id, job_of
from pachlocal.api.service import Context
from pachlocal.errors import FailedPreconditionError, NotFoundError
from pachlocal.faults import machine_fault
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history.names import RepoName
from pachlocal.pfs.tree import content
from pachlocal.pfs.tree.content import Reader
from pachlocal.pps.spec.spec import PipelineSpec
from pachlocal.pps.tables import code_versions, datum_store, pipelines
from pachlocal.pps.tables.code_versions import CodeFile, CodeVersion, differences, listed
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.worker.code import CodeKeeper
from pachlocal.proto import local_pb2
from pachlocal.storage.database import Connection


class CodeCalls:
    """pachlocal.v1.Local: code."""

    files: FileSystem
    pps: PpsApi

    def inspect_code(
        self, request: local_pb2.InspectCodeRequest, context: Context
    ) -> local_pb2.CodeInfo:
        """Return which version a job has run, and its outputs are by."""
        with self.files.snapshot() as connection:
            job = job_of(connection, request.job)
            messages = CodeMessages(connection, self.files.objects, self.pps.scheduler.code)
            version = code_versions.by_key(connection, job.code)
            return local_pb2.CodeInfo(
                version=messages.version(version, job) if version else None,
                outputs=messages.uses(job),
            )

    def get_code(self, request: local_pb2.GetCodeRequest, context: Context) -> Iterator[BytesValue]:
        """Yield the files of a version, as a tar."""
        with self.files.snapshot() as connection:
            job = job_of(connection, request.job)
            key = job.code
            if request.datum_id:
                key = datum_store.inspect(connection, job, hex_id(request.datum_id)).code
            version = code_versions.by_key(connection, key)
            if version is None:
                raise NotFoundError(f"no version of the code of job {job.repo}@{job.id} is known")
            if version.root is None:
                raise FailedPreconditionError(
                    f"the code of job {job.repo}@{job.id} is in its image, {version.name}"
                )
            objects = self.files.objects
            for piece in _packed(objects, code_versions.load(objects, version.root)):
                if piece:
                    yield BytesValue(value=piece)


@dataclass(frozen=True, slots=True)
class _Now:
    """What a job of a pipeline would run now, or why that isn't known."""

    name: str
    files: Mapping[str, CodeFile]
    problem: str = ""


class CodeMessages:
    """Makes messages of versions, compared with the newest one and with what the folder holds."""

    def __init__(self, connection: Connection, objects: Reader, keeper: CodeKeeper) -> None:
        self._connection = connection
        self._objects = objects
        self._keeper = keeper
        self._now: dict[int, _Now] = {}  # by the pipeline's row
        self._files: dict[bytes, dict[str, CodeFile]] = {}

    def version(self, version: CodeVersion, job: JobInfo) -> local_pb2.CodeVersion:
        """Make the message of a version that a job, or one of its datums, has."""
        newest = code_versions.newest_of(self._connection, job.pipeline) or version
        now = self._now_of(job)
        return local_pb2.CodeVersion(
            name=version.name,
            taken=wire.timestamp(version.taken),
            newest=newest.name == version.name,
            newest_changed=differences(self._files_of(version), self._files_of(newest)),
            current=now.name == version.name,
            current_changed=[] if now.problem else differences(self._files_of(version), now.files),
            current_unknown=now.problem,
        )

    def uses(self, job: JobInfo) -> list[local_pb2.CodeUse]:
        """Return the messages of all versions that a job's outputs are by."""
        return [
            local_pb2.CodeUse(version=self.version(version, job), datums=datums)
            for version, datums in code_versions.of_outputs(self._connection, job.key)
        ]

    def older(self, counts: Mapping[int, int], spec: PipelineSpec | None, repo: RepoName) -> str:
        """Say that outputs which stay are by other code than a job would run now.

        Args:
            counts: How many datums', by the row of the version that made them.
            spec: What the job would run; None for the pipeline's own spec.
            repo: The pipeline's output repo.

        Returns:
            One line; empty when there are none, or it can't be known.
        """
        if not counts:
            return ""
        if spec is None:
            spec = pipelines.inspect(self._connection, repo.project, repo.name).spec
        now = self._look(spec.transform.image)
        found = [(code_versions.by_key(self._connection, key), n) for key, n in counts.items()]
        old = [(version, n) for version, n in found if version and version.name != now.name]
        number = sum(n for _, n in old)
        if now.problem or not number:
            return ""
        changed = {path for it, _ in old for path in differences(self._files_of(it), now.files)}
        what = f"{listed(sorted(changed))} changed" if now.files and changed else "another image"
        outputs = "1 output is" if number == 1 else f"{number} outputs are"
        again = "it" if number == 1 else "them"
        return f"{outputs} by an older version of the code ({what}); --reprocess runs {again} again"

    def _files_of(self, version: CodeVersion) -> dict[str, CodeFile]:
        if version.root is None:
            return {}
        if version.root not in self._files:
            self._files[version.root] = code_versions.load(self._objects, version.root)
        return self._files[version.root]

    def _now_of(self, job: JobInfo) -> _Now:
        if job.pipeline not in self._now:
            info = pipelines.by_key(self._connection, job.pipeline)
            self._now[job.pipeline] = self._look(info.spec.transform.image)
        return self._now[job.pipeline]

    def _look(self, image: str) -> _Now:
        try:
            name, files = self._keeper.now(image)
        except Exception as error:
            if not (reason := machine_fault(error)):
                raise
            return _Now("", {}, reason)
        return _Now(name, files, "" if name else "its image has no folder now")


def _packed(objects: Reader, files: Mapping[str, CodeFile]) -> Iterator[bytes]:
    """Yield a tar of files, in pieces."""
    for path, file in files.items():
        entry = tarfile.TarInfo(path)
        entry.mode = file.permissions
        if file.content is None:
            entry.type = tarfile.DIRTYPE if stat.S_ISDIR(file.mode) else tarfile.SYMTYPE
            entry.linkname = file.target
        else:
            entry.size = file.content.size
        yield entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if file.content is not None:
            yield from content.read(objects, file.content)
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)  # the end
