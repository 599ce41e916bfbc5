"""debug_v2.Debug: what a maintainer asks for, as gzipped tars."""

from __future__ import annotations

import io
import json
import platform
import sys
import tarfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from google.protobuf.json_format import MessageToJson
from google.protobuf.wrappers_pb2 import BytesValue

import pachlocal
from pachlocal.api.pps.messages import Messages
from pachlocal.api.service import Context
from pachlocal.api.wire import Wire
from pachlocal.errors import NotFoundError, UnsupportedError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import history, repos
from pachlocal.pfs.history.history import Filter
from pachlocal.pfs.history.names import DEFAULT_PROJECT, RepoName
from pachlocal.pps.tables import jobs, log_reading, pipelines
from pachlocal.pps.tables.log_reading import LogFilter
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.proto import debug_pb2
from pachlocal.proto.debug_pb2 import DumpChunk, DumpContent, DumpProgress

_SAMPLE_S = 0.01
_MAX_HISTORY = 100  # jobs of a pipeline, commits of a repo
_MAX_LOGS = 1000  # lines of a pipeline
_MAX_LOG_TEXT = 4 * 2**20  # characters of them


class DebugApi:
    """debug_v2.Debug."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files

    def profile(self, request: debug_pb2.ProfileRequest, context: Context) -> Iterator[BytesValue]:
        """Yield where the daemon's threads are: of `cpu`, how often in the time that is given."""
        name = request.profile.name
        if name == "cpu":
            seconds = request.profile.duration.ToNanoseconds() / 1e9
            text = _sampled(seconds, context.is_active)
        elif name == "goroutine":
            text = "\n".join(
                f"thread {thread}\n{''.join(traceback.format_stack(frame))}"
                for thread, frame in sys._current_frames().items()
            )
        else:
            raise UnsupportedError(f"there is no profile {name!r}, only cpu and goroutine")
        archive = _Archive()
        archive.add(f"pachlocal/{name}.txt", text)
        yield BytesValue(value=archive.close())

    def binary(self, request: debug_pb2.BinaryRequest, context: Context) -> Iterator[BytesValue]:
        """Yield the program that the daemon runs: its Python modules."""
        package = Path(pachlocal.__file__).parent
        archive = _Archive()
        for path in sorted(package.rglob("*.py")):
            archive.add(f"pachlocal/{path.relative_to(package)}", path.read_text())
        yield BytesValue(value=archive.close())

    def get_dump_v2_template(
        self, request: debug_pb2.GetDumpV2TemplateRequest, context: Context
    ) -> debug_pb2.GetDumpV2TemplateResponse:
        """Return the request for a dump of everything."""
        with self._files.snapshot() as connection:
            names = [
                debug_pb2.Pipeline(project=info.spec.project, name=info.spec.name)
                for info in pipelines.list_pipelines(connection)
            ]
        return debug_pb2.GetDumpV2TemplateResponse(
            request=debug_pb2.DumpV2Request(
                system=debug_pb2.System(version=True, database=True),
                pipelines=names,
                input_repos=True,
            )
        )

    def dump_v2(self, request: debug_pb2.DumpV2Request, context: Context) -> Iterator[DumpChunk]:
        """Yield an archive of what is asked for, and how far it is."""
        tasks = list(self._tasks(request, Wire(context)))
        archive = _Archive()
        for number, (name, make) in enumerate(tasks, 1):
            archive.add(name, make())
            yield DumpChunk(progress=DumpProgress(task="dump", total=len(tasks), progress=number))
            yield DumpChunk(content=DumpContent(content=archive.drain()))
        yield DumpChunk(content=DumpContent(content=archive.close()))

    def _tasks(
        self, request: debug_pb2.DumpV2Request, answer: Wire
    ) -> Iterator[tuple[str, Callable[[], str]]]:
        """Yield the name of each file of a dump, and what makes its text."""
        if request.system.version:
            yield "version.txt", _versions
        if request.system.database:
            yield "database.json", self._row_counts
        for name in request.pipelines:
            with self._files.snapshot() as connection:
                info = pipelines.inspect(connection, name.project or DEFAULT_PROJECT, name.name)
            folder = f"pipelines/{info.spec.project}/{info.spec.name}"
            yield f"{folder}/spec.json", partial(json.dumps, info.effective_spec, indent=2)
            yield f"{folder}/jobs.json", partial(self._jobs, info, answer)
            yield f"{folder}/commits.json", partial(self._commits, info.spec.repo, answer)
            yield f"{folder}/logs.txt", partial(self._logs, info)
        if request.input_repos:
            for repo in self._source_repos():
                folder = f"source-repos/{repo.project}/{repo.name}"
                yield f"{folder}/commits.json", partial(self._commits, repo, answer)

    def _source_repos(self) -> list[RepoName]:
        """Return the repos that users write to, and no pipeline."""
        with self._files.snapshot() as connection:
            outputs = {info.spec.repo for info in pipelines.list_pipelines(connection)}
            found = [repo.name for repo in repos.list_repos(connection)]
        return [name for name in found if name not in outputs]

    def _row_counts(self) -> str:
        with self._files.snapshot() as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            counts = {
                name: connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]
                for (name,) in tables.fetchall()
            }
        return json.dumps(counts, indent=2)

    def _jobs(self, info: PipelineInfo, answer: Wire) -> str:
        with self._files.snapshot() as connection:
            messages = Messages(connection, answer)
            newest = islice(jobs.list_jobs(connection, pipeline=info.key), _MAX_HISTORY)
            return "\n".join(MessageToJson(messages.job(job, details=False)) for job in newest)

    def _logs(self, info: PipelineInfo) -> str:
        wanted = LogFilter(pipeline=info.key)
        text = ""
        with self._files.snapshot() as connection:
            place = log_reading.tail(connection, wanted, _MAX_LOGS)
            while True:
                lines, place = log_reading.read(connection, wanted, place)
                if not lines:
                    return text
                for line in lines:
                    text = f"{text}{line.message}\n"[-_MAX_LOG_TEXT:]

    def _commits(self, repo: RepoName, answer: Wire) -> str:
        listed = Filter(number=_MAX_HISTORY)
        with self._files.snapshot() as connection, suppress(NotFoundError):
            found = history.list_commits(connection, repo, listed)
            return "\n".join(MessageToJson(answer.commit_info(commit)) for commit in found)
        return ""  # deleted meanwhile


class _Archive:
    """A gzipped tar that is taken out as it grows."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w|gz")  # noqa: SIM115 - see close

    def add(self, name: str, text: str) -> None:
        data = text.encode()
        header = tarfile.TarInfo(name)
        header.size = len(data)
        header.mtime = int(time.time())
        self._tar.addfile(header, io.BytesIO(data))

    def drain(self) -> bytes:
        """Return what has come since the last time."""
        data = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return data

    def close(self) -> bytes:
        """End the archive and return the rest of it."""
        self._tar.close()
        return self.drain()


def _versions() -> str:
    return f"pachlocal {pachlocal.__version__}\nPython {sys.version}\n{platform.platform()}\n"


def _sampled(seconds: float, is_active: Callable[[], bool]) -> str:
    """Count the stacks of all threads: a line each, in the form that flame graphs are made from."""
    found: Counter[str] = Counter()
    pause = threading.Event()
    end = time.monotonic() + seconds
    while time.monotonic() < end and is_active():
        for frame in sys._current_frames().values():
            stack = traceback.extract_stack(frame)
            found[";".join(f"{Path(line.filename).stem}.{line.name}" for line in stack)] += 1
        pause.wait(_SAMPLE_S)
    return "\n".join(f"{stack} {count}" for stack, count in found.most_common())
