"""Datum batching in a container that somebody ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pps_world import DEADLINE_S, World, make_spec, pfs_input
from test_datum_batching import BatchWorld

from pachlocal.pps.spec.states import JobState

pytestmark = pytest.mark.slow

busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")


class DockerWorld(BatchWorld):
    """A store whose programs run in containers; the test makes their calls for datums."""

    def __init__(self, root: Path) -> None:
        from pachlocal.runtime.docker.runtime import DockerRuntime

        self.docker = DockerRuntime(root / "scratch")
        self.port = 0
        super().__init__(root)

    def _open(self) -> None:
        self.runtime = self.docker  # type: ignore[assignment]
        super()._open()

    def close(self) -> None:
        super().close()
        self.docker.close()

    @property
    def pfs(self) -> Path:
        return self._root / "scratch" / "default-p-v1-0" / "pfs"

    def next(self, *, anew: bool = False) -> None:
        """Ask for a datum as the program does, and copy what is in it.

        Args:
            anew: As a program that has been started anew.
        """
        deadline = time.monotonic() + DEADLINE_S
        before = self.port if anew else 0
        while not (ports := [port for port in self.datum_server.sources if port > before]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        [self.port] = ports
        self.datum_server.sources[self.port].next_datum("", _There())
        for file in (self.pfs / "data").iterdir():
            (self.pfs / "out" / file.name).write_bytes(file.read_bytes())


class _There:
    def is_there(self) -> bool:
        return True

    def when_gone(self, tell: object) -> None:
        del tell


@pytest.fixture
def images() -> Iterator[Any]:
    with busybox.images() as made:
        yield made


@pytest.fixture
def docker_world(tmp_path: Path, images: Any) -> Iterator[World]:
    del images
    world = DockerWorld(tmp_path)
    yield world
    world.close()


def test_a_program_whose_container_is_ended_begins_its_datum_anew(
    docker_world: DockerWorld, images: Any
) -> None:
    world = docker_world
    transform = {"image": images.make(), "cmd": ["sleep", "1000"], "datum_batching": True}
    world.make_repos("data")
    world.put("data", {"/a": b"1", "/b": b"2"})
    world.create(make_spec("p", pfs_input("data"), transform=transform))
    world.next()
    world.next()
    labelled = {"label": f"io.pachlocal.store={world._root / 'scratch'}"}
    [container] = images.api.containers(filters=labelled)
    images.api.kill(container["Id"])
    world.next(anew=True)
    source = world.datum_server.sources[world.port]
    with pytest.raises(Exception, match="no more datums"):
        source.next_datum("", _There())
    job = world.wait("p")
    assert job.state is JobState.SUCCESS
    assert world.content("p") == {"/a": b"1", "/b": b"2"}
    assert [datum.attempts for datum in world.datums(job)] == [1, 1]
