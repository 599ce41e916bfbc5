"""`make pictures`: the console's pages that the README and docs/console.md show.

It needs Chromium (Debian's package `chromium`), and runs the workshop on a store of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Error, Page, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from tests.walkthrough.machine import Daemon  # noqa: E402 - found only then

COMMANDS = (
    "create repo training",
    "create repo attributes",
    "put file training@master -f data/iris.csv",
    "put file attributes@master -f data/test/1.csv -f data/test/2.csv",
    "create pipeline -f python_train.json",
    "create pipeline -f python_infer.json",
    "wait commit inference@master",
)
AGAIN = ("update pipeline --reprocess -f -", "wait commit inference@master")
WIDTH = 1040


class Picture(NamedTuple):
    """A page to be pictured.

    Attributes:
        name: The file's name, without its ending.
        place: Which page, after `#`.
        seen: What it shows when it is whole, as CSS selectors.
        height: Of the window, in pixels.
    """

    name: str
    place: str
    seen: tuple[str, ...]
    height: int


PICTURES = (
    Picture("console", "/lineage/default/inference/master?path=%2F1.csv", ("text=training@",), 480),
    Picture("console-dag", "/dag/default", ("text=inference", "text=success"), 420),
    Picture("console-job", "/job/default/inference/{job}", (".timebar li", "td.why"), 620),
    Picture("console-file", "/files/default/training/master?path=/iris.csv", ("circle",), 700),
    Picture("console-metrics", "/metrics/default", (".chart canvas", "tr.chosen"), 620),
)


def main() -> None:
    """Writes the pictures beside this file, or to the folder that is given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed")
    with tempfile.TemporaryDirectory(prefix="pachlocal-pictures-") as store:
        daemon = Daemon(Path(store) / "store")
        del daemon.env["PACHLOCAL_NO_CONSOLE"]
        try:
            up = daemon.run("pachlocal", *daemon.up_arguments).stdout
            link = re.search(r"^console  (\S+)", up, re.MULTILINE) or sys.exit(up)
            daemon.started()
            job = _work(daemon)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                page = browser.new_page(device_scale_factor=1.5, locale="en-GB")
                page.goto(link[1])
                for picture in PICTURES:
                    _take(page, picture, job, folder)
                browser.close()
        finally:
            daemon.end()


def _work(daemon: Daemon) -> str:
    """Has two models made; returns the ID of the newest job."""
    for command in COMMANDS:
        daemon.pachctl(*command.split())
    spec = (ROOT / "python_train.json").read_text().replace("python-svm", "python-lda")
    for command in AGAIN:
        daemon.pachctl(*command.split(), stdin=spec)
    jobs = daemon.pachctl("list", "job", "-p", "inference", "--raw")
    newest, _ = json.JSONDecoder().raw_decode(jobs)
    return str(newest["job"]["id"])


def _take(page: Page, picture: Picture, job: str, folder: Path) -> None:
    page.set_viewport_size({"width": WIDTH, "height": picture.height})
    page.goto(f"{page.url.partition('#')[0]}#{picture.place.format(job=job)}")
    try:
        for seen in picture.seen:
            page.locator(seen).first.wait_for()
    except Error as error:
        sys.exit(f"{picture.name} can't be pictured: {error}")
    page.screenshot(path=folder / f"{picture.name}.png")


if __name__ == "__main__":
    main()
