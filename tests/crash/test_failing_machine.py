"""A machine that fails a real daemon: no try is counted, and the job goes on by itself."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pps_pb2, pps_pb2_grpc, pps_spec_pb2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

_DEADLINE_S = 60.0
_PIPELINE = pps_spec_pb2.Pipeline(name="p", project=pfs_pb2.Project(name="default"))


class Pipeline:
    """A pipeline whose command says through a named pipe that it runs, and waits for a word."""

    def __init__(self, daemon: Daemon, channel: grpc.Channel, folder: Path) -> None:
        self._daemon = daemon
        self._pps = pps_pb2_grpc.APIStub(channel)
        self._pipe = folder / "runs"
        os.mkfifo(self._pipe)

    def create(self) -> None:
        self._daemon.pachctl("create", "repo", "data")
        self._daemon.pachctl("put", "file", "data@master:/a", "-f", "-", stdin="content")
        script = 'echo runs > "$PIPE"; read word < "$PIPE"; cp /pfs/data/a /pfs/out/b'
        self._pps.CreatePipeline(
            pps_spec_pb2.CreatePipelineRequest(
                pipeline=_PIPELINE,
                transform=pps_spec_pb2.Transform(
                    image="x", cmd=["sh", "-c", script], env={"PIPE": str(self._pipe)}
                ),
                input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo="data", glob="/")),
                datum_tries=1,
            )
        )

    def await_run(self) -> None:
        reader = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            said = []
            while not said or said[-1]:  # to the end, or the next reader would meet it
                assert select.select([reader], [], [], _DEADLINE_S)[0], "it does not run"
                said.append(os.read(reader, 100))
            assert said == [b"runs\n", b""]
        finally:
            os.close(reader)

    def go_on(self) -> None:
        self._pipe.write_text("word\n")

    def await_state(self, state: str) -> str:
        """Waits until the pipeline is in a state; returns the reason that it gives."""
        deadline = time.monotonic() + _DEADLINE_S
        request = pps_pb2.InspectPipelineRequest(pipeline=_PIPELINE)
        while True:
            info = self._pps.InspectPipeline(request)
            if pps_pb2.PipelineState.Name(info.state) == f"PIPELINE_{state}":
                return info.reason
            assert time.monotonic() < deadline, info
            time.sleep(0.02)

    def assert_sound(self) -> None:
        """Sees that the job succeeds at the first try that counts."""
        [listed] = self._pps.ListJob(pps_pb2.ListJobRequest())
        request = pps_pb2.InspectJobRequest(job=listed.job, wait=True)
        info = self._pps.InspectJob(request, timeout=_DEADLINE_S)
        assert (info.reason, pps_pb2.JobState.Name(info.state)) == ("", "JOB_SUCCESS")
        assert (info.data_processed, info.data_failed) == (1, 0)
        assert self._daemon.pachctl("get", "file", "p@master:/b") == "content"
        assert self.await_state("RUNNING") == ""


@pytest.fixture
def pipeline(daemon: Daemon, tmp_path: Path) -> Iterator[Pipeline]:
    with grpc.insecure_channel(daemon.address) as channel:
        yield Pipeline(daemon, channel, tmp_path)


@pytest.mark.slow
def test_launchers_that_are_killed_cost_no_try(daemon: Daemon, pipeline: Pipeline) -> None:
    pipeline.create()
    for _ in range(3):
        pipeline.await_run()
        for pid in children(daemon.note["pid"]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    pipeline.await_run()
    pipeline.go_on()
    pipeline.assert_sound()


@pytest.fixture
def crowd() -> Iterator[Path]:
    """A control group whose number of processes can be limited."""
    places = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")]
    group = next((place for place in places if (place / "cgroup.procs").exists()), None)
    if group is None or os.geteuid() != 0:
        pytest.skip("control groups of processes are root's, and not everywhere")
    group /= f"pachlocal-test-{os.getpid()}"
    group.mkdir()
    try:
        if not (group / "pids.max").exists():
            pytest.skip("the control group pids is not in use here")
        yield group
    finally:
        (group / "cgroup.procs").with_name("pids.max").write_text("max")
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


@pytest.mark.slow
def test_a_machine_without_room_for_processes_is_waited_for(
    daemon: Daemon, pipeline: Pipeline, crowd: Path
) -> None:
    (crowd / "cgroup.procs").write_text(str(daemon.note["pid"]))
    daemon.pachctl("create", "repo", "other")
    limit = int((crowd / "pids.current").read_text()) + 1
    (crowd / "pids.max").write_text(str(limit))
    pipeline.create()
    reason = pipeline.await_state("CRASHING")
    assert "Resource temporarily unavailable" in reason
    (crowd / "pids.max").write_text("max")
    pipeline.await_run()
    pipeline.go_on()
    pipeline.assert_sound()


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found += map(int, (task / "children").read_text().split())
    return found
