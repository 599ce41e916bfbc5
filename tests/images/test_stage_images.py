"""The images of the stages: what they say of themselves, and the workshop with each model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from walkthrough.machine import ROOT, Daemon
from walkthrough.steps import ONE, TWO

pytestmark = pytest.mark.slow

busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
IMAGES = [
    service["image"].replace("${IMAGE_PREFIX:-pachyderm}", "pachyderm")
    for service in SERVICES.values()
]
# test_docker_walkthrough.py goes through all steps with those of Python.
TRAINERS = [image for image in IMAGES if "/iris-train:" in image and ":python" not in image]


class DockerDaemon(Daemon):
    @property
    def up_arguments(self) -> tuple[str, ...]:
        return (*super().up_arguments, "--runtime", "docker")


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    api = busybox.connect()
    yield api
    api.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DockerDaemon]:
    daemon = DockerDaemon(tmp_path / "store")
    daemon.start()
    yield daemon
    daemon.end()
    print(daemon.log)


def config(api: Any, image: str) -> dict[str, Any]:
    """Returns what an image says of itself; skips the test if it isn't built."""
    if image in {tag for built in api.images() for tag in built["RepoTags"] or ()}:
        return dict(api.inspect_image(image)["Config"])
    reason = f"{image} is not built; see `make images`"
    if os.environ.get("CI") and ":julia" not in image:  # Debian's mirror may have no Julia any more
        pytest.fail(reason)
    return pytest.skip(reason)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_no_root_and_says_what_it_is(api: Any, image: str) -> None:
    found = config(api, image)
    assert found["User"] == "1000:1000"
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in found["Labels"].items()
    }
    assert labels.keys() == {
        *("title", "description", "licenses", "version", "revision", "base.name")
    }
    assert all(labels.values())


@pytest.mark.parametrize("image", TRAINERS)
def test_the_workshop_gives_the_same_answers_with_every_model(
    api: Any, daemon: DockerDaemon, image: str
) -> None:
    language = image.rpartition(":")[2].partition("-")[0]
    train = json.loads((ROOT / f"{language}_train.json").read_text())
    train["transform"]["image"] = image
    infer = (ROOT / f"{language}_infer.json").read_text()
    for needed in (image, json.loads(infer)["transform"]["image"]):
        config(api, needed)

    for repo in ("training", "attributes"):
        daemon.pachctl("create", "repo", repo)
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(train))
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=infer)
    daemon.pachctl("put", "file", "training@master", "-f", "data/iris.csv")
    daemon.pachctl("put", "file", "-r", "attributes@master:/", "-f", "data/test")
    daemon.pachctl("wait", "commit", "inference@master")

    assert "Rows: 150" in daemon.pachctl("get", "file", "model@master:model.txt")
    for name, answer in (("1.csv", ONE), ("2.csv", TWO)):
        assert daemon.pachctl("get", "file", f"inference@master:{name}") == answer
