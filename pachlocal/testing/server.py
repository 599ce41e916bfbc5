"""A server that is thrown away, with calls that tests need."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.cli.pachctl.client.config import Settings
from pachlocal.cli.pachctl.client.failures import explain, status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.pps.specs import Document, parse_specs, read_specs
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.testing.runs import PipelineError, Run

Content: TypeAlias = "str | bytes | Path"
Spec: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"

_PACHCTL = "import sys; from pachlocal.cli.pachctl import main; sys.exit(main())"
_PIECE = 1 << 20
_STOP_S = 10.0


class Server:
    """A Pachyderm on an empty store in a temporary folder, for a `with` block.

    What the server refuses, a call says as a PipelineError, in one line.

    Attributes:
        folder: Where specifications are looked for.
        address: Where clients find it, as PACHD_ADDRESS.
        env: Variables for programs that are clients of it.
    """

    def __init__(
        self,
        compose: str | os.PathLike[str] | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Prepare it; the `with` block starts it.

        Args:
            compose: The compose.yaml that names the folders of images; without one there are none.
            folder: Where specifications are looked for; by default beside that, or here.
            timeout_s: How long pipelines may take to get done.
        """
        self._compose = Path(compose).absolute() if compose is not None else None
        self.folder = Path(folder or (self._compose.parent if self._compose else ".")).absolute()
        self._timeout_s = timeout_s
        self.address = ""
        self.env: dict[str, str] = {}

    def __enter__(self) -> Server:
        self._scratch = tempfile.TemporaryDirectory(prefix="pachlocal-test-")
        root = Path(self._scratch.name) / "store"
        root.mkdir()
        try:
            self._start(root)
        except BaseException:
            self._scratch.cleanup()
            raise
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()
        self._stop()
        self._scratch.cleanup()

    def _start(self, root: Path) -> None:
        command = [sys.executable, "-m", "pachlocal.daemon", "--root", str(root)]
        command += ["--address", "127.0.0.1:0"]
        if self._compose is not None:
            command += ["--compose", str(self._compose)]
        reader, writer = os.pipe()
        with (root / "daemon.log").open("wb") as log, os.fdopen(reader) as report:
            self._process = subprocess.Popen(
                [*command, "--report-fd", str(writer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writer],
            )
            os.close(writer)
            text = report.read()
        message = json.loads(text) if text else {"error": (root / "daemon.log").read_text()}
        if "error" in message:
            self._process.wait()
            raise RuntimeError(f"the server doesn't start: {message['error']}")
        note = json.loads((root / "daemon.json").read_text())
        self.address = message["address"]
        config = root / "pachctl.json"
        self.env = {**os.environ, "PACH_CONFIG": str(config), "PACHD_ADDRESS": self.address}
        self._session = Session()
        self._session.settings = Settings(address=f"unix://{note['socket']}")

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def put(
        self,
        repo: str,
        files: Mapping[str, Content],
        *,
        branch: str = "master",
        delete: Iterable[str] = (),
    ) -> Run:
        """Put and delete files in one commit; the repo is made if it isn't there.

        Args:
            repo: The repo.
            files: What is to be in which path: text, bytes, or that of a file or folder.
            branch: The branch.
            delete: Paths to delete before.

        Returns:
            What comes of it.

        Raises:
            OSError: A file or folder can't be read; nothing is put.
            PipelineError: The server refuses it.
        """
        pfs = self._session.server.pfs
        head = pfs_pb2.Commit(repo=_repo(repo), id=branch)
        changes = [*_changes(head, files, delete)]
        with self._told():
            pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=_repo(repo), update=True))
            pfs.ModifyFile(iter(changes))
        return self._run([self._finished(repo, branch).id])

    def apply(self, *specs: Spec, reprocess: bool = False) -> Run:
        """Create or update pipelines.

        Args:
            specs: Files with specifications, seen from `folder`, or specifications; inputs first.
            reprocess: Do the work on data that was processed before again.

        Returns:
            What comes of it.

        Raises:
            CliError: A specification can't be read.
        """
        ids = []
        pps = self._session.server.pps
        for document in (document for spec in specs for document in self._read(spec)):
            before = self._newest(document)
            request = pps_pb2.CreatePipelineV2Request(
                create_pipeline_request_json=json.dumps(document.spec),
                update=True,
                reprocess=reprocess,
            )
            with self._told():
                pps.CreatePipelineV2(request)
            after = self._newest(document)
            if after != before:
                ids.append(after)
        return self._run(ids)

    def _read(self, spec: Spec) -> list[Document]:
        if isinstance(spec, Mapping):
            return parse_specs(json.dumps(spec), "the specification")
        return read_specs(str(self.folder / spec))

    def _newest(self, document: Document) -> str:
        request = pps_pb2.ListJobRequest(pipeline=document.request.pipeline, number=1)
        request.pipeline.project.name = request.pipeline.project.name or "default"
        try:
            return next((info.job.id for info in self._session.server.pps.ListJob(request)), "")
        except grpc.RpcError as error:
            if status_of(error) is grpc.StatusCode.NOT_FOUND:
                return ""  # the pipeline is to be made
            raise

    def files(self, repo: str, path: str = "/", *, branch: str = "master") -> dict[str, bytes]:
        """Return all files of a branch's head at or below a path, when they are made.

        Raises:
            PipelineError: The pipeline whose output it is failed, or isn't done in time.
        """
        commit = self._finished(repo, branch)
        with self._told():
            if path == "/" and not self._is_there(commit):
                return {}
            request = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit, path=path))
            pieces = self._session.server.pfs.GetFileTAR(request)
            data = b"".join(piece.value for piece in pieces)
        found = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    found["/" + member.name.strip("/")] = content.read()
        return found

    def read(self, repo: str, path: str, *, branch: str = "master") -> bytes:
        """Return a file of a branch's head, when it is made.

        Raises:
            PipelineError: The pipeline whose output it is failed, or isn't done in time.
        """
        commit = self._finished(repo, branch)
        request = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit, path=path))
        with self._told():
            return b"".join(piece.value for piece in self._session.server.pfs.GetFile(request))

    def _is_there(self, commit: pfs_pb2.Commit) -> bool:
        """Whether a commit holds anything."""
        request = pfs_pb2.ListFileRequest(file=pfs_pb2.File(commit=commit, path="/"), number=1)
        return any(True for _ in self._session.server.pfs.ListFile(request))

    def _finished(self, repo: str, branch: str) -> pfs_pb2.Commit:
        """Wait for a branch's head.

        Raises:
            PipelineError: It has an error, or isn't done in time.
        """
        head = pfs_pb2.Commit(repo=_repo(repo), id=branch)
        request = pfs_pb2.InspectCommitRequest(commit=head, wait=pfs_pb2.CommitState.FINISHED)
        pfs = self._session.server.pfs
        deadline = time.monotonic() + self._timeout_s
        try:
            info = pfs.InspectCommit(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            why = f"{repo}@{branch} is not done after {self._timeout_s:g} s"
            if status_of(error) is not grpc.StatusCode.DEADLINE_EXCEEDED:
                why = explain(error, self._session)
            raise PipelineError(why) from None
        if info.error:
            run = Run(self._session, [info.commit.id], max(deadline - time.monotonic(), 1.0))
            run.check()
            raise PipelineError(f"{repo}@{branch}: {info.error}")
        return info.commit

    def pachctl(self, *words: str, stdin: str = "") -> str:
        """Run pachctl; return what it printed.

        Raises:
            PipelineError: It failed.
        """
        done = subprocess.run(
            [sys.executable, "-c", _PACHCTL, *words],
            env=self.env,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise PipelineError(done.stderr.strip() or f"exit code {done.returncode}")
        return done.stdout

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in one line why a call failed."""
        try:
            yield
        except grpc.RpcError as error:
            raise PipelineError(explain(error, self._session)) from None

    def _run(self, ids: list[str]) -> Run:
        return Run(self._session, ids, self._timeout_s)


def _repo(name: str) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type="user", project=pfs_pb2.Project(name="default"))


def _changes(
    commit: pfs_pb2.Commit, files: Mapping[str, Content], delete: Iterable[str]
) -> Iterator[pfs_pb2.ModifyFileRequest]:
    yield pfs_pb2.ModifyFileRequest(set_commit=commit)
    for path in delete:
        yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))
    for path, content in files.items():
        for name, data in _contents(path, content):
            yield pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=name))
            for at in range(0, max(len(data), 1), _PIECE):
                raw = BytesValue(value=data[at : at + _PIECE])
                yield pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=name, raw=raw))


def _contents(path: str, content: Content) -> Iterator[tuple[str, bytes]]:
    if isinstance(content, Path) and content.is_dir():
        for file in sorted(content.rglob("*")):
            if file.is_file():
                yield f"{path.rstrip('/')}/{file.relative_to(content)}", file.read_bytes()
    elif isinstance(content, Path):
        yield path, content.read_bytes()
    else:
        yield path, content.encode() if isinstance(content, str) else content
