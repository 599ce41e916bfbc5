"""The console's first view: from the navigation's begin until the DAG is drawn, in Chromium."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from typing import Any

from bench.harness import Client, Measurement, client, daemon, note
from pachlocal.proto import pfs_pb2, pps_pb2, pps_spec_pb2
from pachlocal.web.console import BUNDLE

_GOAL_S = 0.5
_GOAL_KB = 200
_VISITS = 7
_MANY = 1000
# When the frame with the DAG has been painted: a promise, which the page's policy lets us wait for.
_DRAWN = """window.drawn = new Promise((resolve) => {
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".node")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  }).observe(document, { childList: true, subtree: true });
})"""


def measure() -> Iterator[Measurement]:
    """Weigh what the page loads, and visit it with nothing cached; the quickest visit counts."""
    from playwright.sync_api import sync_playwright

    packed = sum(len(gzip.compress(file.read_bytes())) for file in BUNDLE.iterdir())
    yield Measurement("what the console loads, by gzip", packed / 1000, _GOAL_KB, "goal", "KB", 1)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for count in (10, _MANY):
            note(f"creating {count} pipelines")
            with daemon(console=True) as server, client(server) as direct:
                _fill(direct, count)
                link = json.loads((server.root / "console.json").read_text())["link"]
                taken = min(_visit(chromium, link) for _ in range(_VISITS))
            name = f"the console's first view, {count:,} pipelines"
            yield Measurement(name, taken, _GOAL_S, "goal", "s", 1)
        chromium.close()


def _visit(chromium: Any, link: str) -> float:
    """Return how many seconds it takes until the DAG is drawn, with nothing cached."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(_DRAWN)
    page.goto(link)
    taken_ms: float = page.evaluate("window.drawn")
    context.close()
    return taken_ms / 1000


def _fill(direct: Client, count: int) -> None:
    """Make pipelines in ten rows, each of which reads from the one before it."""
    repo = pfs_pb2.Repo(name="data", type="user", project=pfs_pb2.Project(name="default"))
    direct.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo))
    for number in range(count):
        source = f"step-{number - 10}" if number >= 10 else "data"
        direct.pps.CreatePipeline(
            pps_pb2.CreatePipelineRequest(
                pipeline=pps_spec_pb2.Pipeline(name=f"step-{number}"),
                transform=pps_spec_pb2.Transform(image="i", cmd=["true"]),
                input=pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo=source, glob="/*")),
            )
        )
