"""Workers of the process runtime in each kind of isolation, and what the docker runtime needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pachlocal.errors import LauncherError
from pachlocal.runtime.contract import Invocation, Outcome
from pachlocal.runtime.environment import interpreter_environment
from pachlocal.runtime.folders import WorkerFolder
from pachlocal.runtime.image_files import ImageFiles
from pachlocal.runtime.launch import Isolation, Launcher, LauncherSetup
from pachlocal.runtime.worker import ProcessWorker

from .processes import taking

if TYPE_CHECKING:
    from images.busybox import Images

    from pachlocal.runtime.docker.runtime import DockerRuntime

Run = Callable[..., tuple[Outcome, list[str]]]


def process_worker(
    scratch: Path, name: str, stage: Path | None, isolation: Isolation
) -> ProcessWorker:
    folder = WorkerFolder(scratch, name)
    image = ImageFiles({"/code": stage}, "/code") if stage is not None else None
    return ProcessWorker(folder, image, isolation, interpreter_environment(os.environ))


@pytest.fixture(scope="session")
def images() -> Iterator[Images]:
    busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")
    with busybox.images() as made:
        yield made


@pytest.fixture(scope="session")
def busybox_image(images: Images) -> str:
    return images.make()


@pytest.fixture
def docker_runtime(images: Images, tmp_path: Path) -> Iterator[DockerRuntime]:
    from pachlocal.runtime.docker.runtime import DockerRuntime

    runtime = DockerRuntime(tmp_path / "docker")
    yield runtime
    assert (
        images.api.containers(all=True, filters={"label": f"io.pachlocal.store={tmp_path}/docker"})
        == []
    )
    runtime.close()


@pytest.fixture(scope="session")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> set[Isolation]:
    found = set()
    for isolation in Isolation:
        root = tmp_path_factory.mktemp("probe")
        try:
            Launcher(LauncherSetup(isolation, root, {}, os.environ)).end()
        except LauncherError:
            continue
        found.add(isolation)
    return found


@pytest.fixture(params=list(Isolation), ids=lambda isolation: isolation.value)
def isolation(request: pytest.FixtureRequest, allowed: set[Isolation]) -> Isolation:
    wanted: Isolation = request.param
    if wanted not in allowed:
        pytest.skip(f"{wanted.value} is refused on this machine")
    return wanted


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = tmp_path / "stage"
    folder.mkdir()
    return folder


@pytest.fixture
def open_worker(isolation: Isolation, tmp_path: Path) -> Iterator[Callable[..., ProcessWorker]]:
    workers: list[ProcessWorker] = []

    def open_(stage: Path | None = None) -> ProcessWorker:
        worker = process_worker(tmp_path, f"worker{len(workers)}", stage, isolation)
        workers.append(worker)
        return worker

    yield open_
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(open_worker: Callable[..., ProcessWorker], stage: Path) -> ProcessWorker:
    return open_worker(stage)


@pytest.fixture
def run(worker: ProcessWorker) -> Run:
    def run_(*cmd: str, **parts: object) -> tuple[Outcome, list[str]]:
        lines: list[str] = []
        outcome = worker.run(Invocation(cmd, **parts), taking(lines))  # type: ignore[arg-type]
        return outcome, lines

    return run_
