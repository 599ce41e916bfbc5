"""The console in a browser, by what a person does there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from walkthrough.machine import ROOT, Daemon

from .conftest import Front, with_console
from .firefox import PROGRAM, firefox

playwright = pytest.importorskip("playwright.sync_api")

AXE = ROOT / "console/node_modules/axe-core/axe.min.js"

pytestmark = pytest.mark.slow

FLOWERS = "".join(
    f"{row}\n"
    for row in (
        "5.1,3.5,1.4,0.2,Iris-setosa",
        "7.0,3.2,4.7,1.4,Iris-versicolor",
        "6.3,3.3,6.0,2.5,Iris-virginica",
    )
)


def pipeline(name: str, repo: str, glob: str, script: str) -> str:
    return json.dumps(
        {
            "pipeline": {"name": name},
            "datum_tries": 1,
            "transform": {"image": "i", "cmd": ["sh"], "stdin": script.splitlines()},
            "input": {"pfs": {"repo": repo, "glob": glob}},
        }
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A store in which something has worked, something has failed, and there are figures."""
    folder = tmp_path_factory.mktemp("console")
    stage = folder / "stage"
    stage.mkdir()
    (stage / "rule.sh").write_text("true\n")
    (folder / "compose.yaml").write_text("services: {stage: {image: i, build: stage}}\n")
    daemon = Daemon(folder / "store", "--compose", str(folder / "compose.yaml"))
    try:
        front = with_console(daemon)
        daemon.pachctl("create", "project", "empty")
        for repo in ("training", "attributes"):
            daemon.pachctl("create", "repo", repo)
        score = "n=$(wc -l < /pfs/training/iris.csv)\n" + (
            'printf \'{"accuracy": 0.9%s, "rows": %s}\' $n $n > /pfs/out/metrics.json'
        )
        check = (
            'case $(echo /pfs/attributes/*) in *bad*) echo "ValueError: row 4" >&2; exit 3;; esac'
        )
        for text in (
            pipeline("score", "training", "/", score),
            pipeline("species", "attributes", "/*", "cp /pfs/attributes/* /pfs/out"),
            pipeline("check", "attributes", "/*", check),
        ):
            daemon.pachctl("create", "pipeline", "-f", "-", stdin=text)
        for rows in (FLOWERS, FLOWERS + FLOWERS):
            daemon.pachctl("put", "file", "training@master:/iris.csv", "-f", "-", stdin=rows)
        for name in ("1.csv", "bad.csv"):
            daemon.pachctl("put", "file", f"attributes@master:/{name}", "-f", "-", stdin=FLOWERS)
        for repo in ("score", "species"):
            daemon.pachctl("wait", "commit", f"{repo}@master")
        daemon.run("pachctl", "wait", "commit", "check@master")
        yield front
    finally:
        daemon.end()
        print(f"The log:\n{daemon.log}")


class Person:
    """Somebody who looks at the page, and clicks."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.clicks = 0

    def click(self, name: str, role: str = "link") -> None:
        self.page.get_by_role(role, name=name).first.click()
        self.clicks += 1

    def sees(self, text: str) -> None:
        playwright.expect(self.page.get_by_text(text).first).to_be_visible()

    def sees_title(self, text: str) -> None:
        playwright.expect(self.page.get_by_role("heading", level=1)).to_contain_text(text)


@pytest.fixture
def person(store: Front, browser: Any) -> Iterator[Person]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((store.origin, "data:", "blob:"))
            else wrong.append(request.url)
        ),
    )
    page.goto(store.note["link"])
    yield Person(page)
    context.close()
    assert wrong == []


def test_the_dag_shows_what_there_is_and_what_comes(store: Front, person: Person) -> None:
    assert "token" not in person.page.url
    for name in ("training", "attributes", "score", "species", "check"):
        person.sees(name)
    person.sees("1 of 2 failed")
    store.daemon.pachctl("create", "repo", "newcomer")
    playwright.expect(person.page.get_by_text("newcomer")).to_be_visible(timeout=3000)
    store.daemon.pachctl("delete", "repo", "newcomer")
    playwright.expect(person.page.get_by_text("newcomer")).to_have_count(0, timeout=3000)
    long = "a-name-that-is-longer-than-its-card"
    store.daemon.pachctl("create", "repo", long)
    playwright.expect(person.page.get_by_text("a-name-that-is-long…")).to_be_visible()
    playwright.expect(person.page.locator(".node title")).to_have_text(long)
    store.daemon.pachctl("delete", "repo", long)
    person.click("Show as list")
    row = person.page.get_by_role("row", name="check pipeline")
    playwright.expect(row).to_contain_text("failed")


def test_an_address_that_changes_as_soon_as_the_page_is_there_is_followed(
    store: Front, person: Person
) -> None:
    """On a busy machine a click on a link, or a script, comes before the first paint."""
    person.page.add_init_script(
        "new MutationObserver((_, observer) => {"
        "  if (!document.querySelector('#view')) return;"
        "  observer.disconnect();"
        "  location.hash = '#/files/default/training/master?path=/iris.csv';"
        "}).observe(document, { childList: true, subtree: true })"
    )
    person.page.goto(f"{store.origin}/?again")
    person.sees_title("iris.csv")


def test_an_idle_page_asks_nothing(store: Front, person: Person) -> None:
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    person.page.clock.install()
    person.page.reload()
    for name in ("first", "second"):
        store.daemon.pachctl("create", "repo", name)
        playwright.expect(person.page.get_by_text(name)).to_be_visible(timeout=3000)
        store.daemon.pachctl("delete", "repo", name)
        playwright.expect(person.page.get_by_text(name)).to_have_count(0, timeout=3000)
        if name == "first":
            assert "/api/pachlocal.v1.Local/SubscribeChanges" in asked
            asked.clear()
            person.page.clock.run_for(3600_000)  # milliseconds
    assert 2 <= asked.count("/api/pachlocal.v1.Local/InspectDag") <= 6  # for the changes


def test_another_server_than_pachlocal_is_looked_at(store: Front, person: Person) -> None:
    refusal = {"code": 12, "message": "unknown service pachlocal.v1.Local", "details": []}
    person.page.route(
        "**/api/pachlocal.v1.Local/*", lambda route: route.fulfill(status=501, json=refusal)
    )
    person.page.reload()
    person.sees("1 of 2 failed")
    store.daemon.pachctl("create", "repo", "newcomer")
    playwright.expect(person.page.get_by_text("newcomer")).to_be_visible(timeout=3000)
    store.daemon.pachctl("delete", "repo", "newcomer")
    person.click("check")
    person.page.get_by_role("table").get_by_role("link").first.click()
    person.sees("ValueError: row 4")
    person.page.goto(f"{store.origin}/#/lineage/default/species/master?path=/1.csv")
    person.sees("This server can't tell it by the file")
    person.page.goto(f"{store.origin}/#/pipeline/default/check")
    playwright.expect(person.page.get_by_label("Where the time went").first).to_be_visible()
    person.page.get_by_role("table").get_by_role("link").first.click()
    person.sees("ValueError: row 4")
    playwright.expect(person.page.get_by_label("Where the time went")).to_contain_text("user code")
    person.page.get_by_label("slowest first").check()
    person.sees("This server can't tell which were slowest.")
    assert person.page.get_by_role("alert").count() == 0


def test_the_dag_goes_back_to_what_was(store: Front, person: Person) -> None:
    late = pipeline("late", "training", "/", "true")
    store.daemon.pachctl("create", "pipeline", "-f", "-", stdin=late)
    store.daemon.pachctl("wait", "commit", "late@master")
    person.sees("1 of 2 failed")
    person.sees("late")
    slider = person.page.get_by_role("slider")
    playwright.expect(slider).to_have_attribute("aria-valuetext", "now")
    playwright.expect(slider).to_be_enabled()  # the jobs are there
    slider.focus()
    person.page.keyboard.press("ArrowLeft")
    person.page.keyboard.press("ArrowLeft")
    person.sees("commit set")
    playwright.expect(person.page.get_by_text("late")).to_have_count(0)
    playwright.expect(person.page.get_by_text("1 of 2 failed")).to_have_count(0)
    person.click("check")
    person.sees_title("Job")
    person.sees("1 processed")
    assert person.clicks == 1
    person.page.go_back()
    person.sees("commit set")  # the same one: the address names it
    person.page.reload()
    person.sees("commit set")
    slider.focus()
    person.page.keyboard.press("End")
    person.sees("1 of 2 failed")  # it is now again
    person.page.keyboard.press("Home")
    for _ in range(3):  # from the empty commits that pipelines began with
        person.page.keyboard.press("ArrowRight")
    person.sees("commit set")
    person.click("training")
    person.sees("Commits until")
    commits = person.page.get_by_role("table").get_by_role("row")
    playwright.expect(commits).to_have_count(3)
    commits.nth(1).get_by_role("link").first.click()
    person.click("iris.csv")
    person.sees("3 rows")  # the second commit has six

    later = pipeline("late", "attributes", "/", "true")
    store.daemon.pachctl("update", "pipeline", "-f", "-", stdin=later)
    store.daemon.pachctl("wait", "commit", "late@master")
    person.page.goto(f"{store.origin}/#/dag/default?as=list")
    row = person.page.get_by_role("row", name="late pipeline")
    playwright.expect(row).to_contain_text("attributes")
    playwright.expect(slider).to_have_attribute("max", "8")  # the jobs are there
    slider.focus()
    person.page.keyboard.press("ArrowLeft")
    playwright.expect(row).to_contain_text("training")
    store.daemon.pachctl("delete", "pipeline", "late")


def test_a_commit_set_that_is_older_than_the_newest_jobs_keeps_its_place(
    store: Front, person: Person
) -> None:
    listed = store.daemon.pachctl("list", "job", "--pipeline", "check", "--raw")
    decoder = json.JSONDecoder()
    jobs = []
    while listed := listed.strip():
        job, end = decoder.raw_decode(listed)
        jobs.append(job)
        listed = listed[end:]
    oldest = min(jobs, key=lambda job: job["created"])["job"]["id"]

    def leave_out(route: Any) -> None:
        if "paginationMarker" in route.request.post_data_json:
            route.continue_()
            return
        lines = route.fetch().text().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["result"]["job"]["id"] != oldest]
        route.fulfill(body="".join(kept), content_type="application/json")

    person.page.route("**/pps_v2.API/ListJob", leave_out)
    person.page.goto(f"{store.origin}/?old#/dag/default?at={oldest}")
    person.sees(f"commit set {oldest[:8]}")
    playwright.expect(person.page.get_by_text("1 of 2 failed")).to_have_count(0)
    slider = person.page.get_by_role("slider")
    slider.focus()
    person.page.keyboard.press("End")
    person.sees("1 of 2 failed")
    person.page.goto(f"{store.origin}/#/dag/default?at={'0' * 32}")
    person.sees("No job is of commit set 00000000, so this is what is now.")


def test_the_dag_is_drawn_before_old_jobs_are_asked_for_and_stays_where_it_is(
    store: Front, person: Person
) -> None:
    asked: list[str] = []
    person.page.goto("about:blank")  # the page that is open asks for something, too
    person.page.on("request", lambda request: asked.append(request.url.split("/")[-1]))
    held: list[Any] = []
    person.page.route("**/api/pps_v2.API/ListJob", lambda route: held.append(route))
    with person.page.expect_request("**/ListJob"):
        person.page.goto(f"{store.origin}/?again#/dag/default")
    assert asked.index("InspectDag") < asked.index("ListJob")
    node = person.page.get_by_role("link", name="score")
    before = node.bounding_box()
    slider = person.page.get_by_role("slider")
    playwright.expect(slider).to_be_disabled()
    held[0].continue_()
    playwright.expect(slider).to_be_enabled()
    assert node.bounding_box() == before


def test_a_thousand_pipelines_are_drawn_as_far_as_they_are_in_view(
    store: Front, person: Person
) -> None:
    def one(number: int) -> dict[str, Any]:
        source = f"step-{number - 10:03}" if number >= 10 else "data"
        return {
            "pipeline": {"name": f"step-{number:03}", "project": {"name": "default"}},
            "state": "PIPELINE_RUNNING",
            "reason": "",
            "inputs": [{"project": "default", "name": source}],
            "newestJob": None,
        }

    dag = {"repos": [], "pipelines": [one(number) for number in range(1000)]}
    person.page.route("**/api/pachlocal.v1.Local/InspectDag", lambda route: route.fulfill(json=dag))
    person.page.goto(f"{store.origin}/?again#/dag/default")
    nodes = person.page.locator(".node")
    person.sees("1000 pipelines")
    playwright.expect(nodes.filter(has_text="step-000")).to_be_in_viewport()
    assert 30 < nodes.count() < 300
    boxes = [nodes.filter(has_text=f"step-{number:03}").bounding_box() for number in (5, 15, 25)]
    assert boxes == sorted(boxes, key=lambda box: box["x"])  # from left to right
    assert len({box["y"] for box in boxes}) == 1  # a chain is straight
    playwright.expect(nodes.filter(has_text="step-995")).to_have_count(0)
    person.page.get_by_role("searchbox").fill("step-995")
    playwright.expect(nodes.filter(has_text="step-995")).to_be_in_viewport()
    person.page.get_by_role("searchbox").fill("")
    person.click("Show all", "button")
    playwright.expect(nodes).to_have_count(1001)


def test_why_did_that_job_fail(store: Front, person: Person) -> None:
    person.click("check")
    person.sees_title("check")
    person.page.get_by_role("table").get_by_role("link").first.click()
    person.sees_title("Job")
    person.sees("ValueError: row 4")  # in its log
    person.click("failed")
    row = person.page.get_by_role("row", name="failed")
    playwright.expect(row).to_contain_text("attributes:/bad.csv")
    assert person.clicks <= 3
    row.get_by_role("link").first.click()
    with person.page.expect_download() as waited:
        person.click("Download its capsule")
    assert waited.value.suggested_filename.startswith("check-")
    again = subprocess.run(
        ["pachlocal", "replay", waited.value.path()],
        env=store.daemon.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 3
    assert "ValueError: row 4" in again.stdout + again.stderr


def test_a_live_log_is_followed_and_searched(store: Front, person: Person) -> None:
    script = "for i in $(seq 200); do echo line $i; done; sleep 1000"
    store.daemon.pachctl(
        *("create", "pipeline", "-f", "-"), stdin=pipeline("talk", "training", "/", script)
    )
    person.click("talk")
    person.page.get_by_role("table").get_by_role("link").first.click()
    lines = person.page.get_by_label("Log lines")
    playwright.expect(lines.get_by_text("line 200")).to_be_visible()
    assert lines.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 20
    person.page.get_by_label("Search the log").fill("line 42")
    playwright.expect(lines.locator("div")).to_have_count(1)
    found = person.page.get_by_role("status")
    playwright.expect(found.filter(has_text="1 hit")).to_be_visible()
    person.page.reload()
    playwright.expect(lines.locator("div")).to_have_text(re.compile("line 42"))
    person.page.get_by_label("Search the log").fill("line 999")
    playwright.expect(found.filter(has_text="No line has this.")).to_be_visible()
    person.click("skipped")
    playwright.expect(found.filter(has_text="No datum is of this kind.")).to_be_visible()
    playwright.expect(person.page.get_by_label("Search the log")).to_have_value("line 999")
    store.daemon.pachctl("delete", "pipeline", "talk")


def test_a_log_that_is_longer_than_the_page_is_searched_as_a_whole(
    store: Front, person: Person
) -> None:
    script = "seq -f 'line %g of many' 3000"
    store.daemon.pachctl(
        *("create", "pipeline", "-f", "-"), stdin=pipeline("talk", "training", "/", script)
    )
    store.daemon.pachctl("wait", "commit", "talk@master")
    person.click("talk")
    person.page.get_by_role("table").get_by_role("link").first.click()
    lines = person.page.get_by_label("Log lines")
    playwright.expect(lines.locator("div")).to_have_count(2000)  # without the worker's
    person.page.get_by_label("Search the log").fill("line 77 of many")
    found = person.page.get_by_role("status")
    none = found.filter(has_text="None of the last 2000 lines has this.")
    playwright.expect(none).to_be_visible()
    person.click("Search the whole log", "button")
    playwright.expect(lines.locator("div")).to_have_text(re.compile("line 77 of many"))
    person.page.get_by_label("Search the log").fill("line 2999 of many")
    playwright.expect(lines.locator("div")).to_have_text(re.compile("line 2999 of many"))
    person.page.get_by_label("Search the log").fill("")
    playwright.expect(lines.locator("div")).to_have_count(2000)
    tab = person.page.get_by_role("link", name="skipped")
    tab.focus()
    person.page.keyboard.press("Enter")
    playwright.expect(found.filter(has_text="No datum is of this kind.")).to_be_visible()
    playwright.expect(tab).to_be_focused()
    store.daemon.pachctl("delete", "pipeline", "talk")


def test_windows_with_live_logs_leave_connections_for_other_pages(
    store: Front, person: Person
) -> None:
    """A browser opens no more than six to one server, for all its windows."""
    go = store.daemon.root.parent / "go"
    script = f"echo line 1; while [ ! -e {go} ]; do sleep 0.1; done; echo line 2; sleep 1000"
    store.daemon.pachctl(
        *("create", "pipeline", "-f", "-"), stdin=pipeline("talk", "training", "/", script)
    )
    person.click("talk")
    person.page.get_by_role("table").get_by_role("link").first.click()
    windows = [person.page, *(person.page.context.new_page() for _ in range(6))]
    for window in windows:
        window.goto(person.page.url)
        log = window.get_by_label("Log lines")
        playwright.expect(log.get_by_text("line 1")).to_be_visible(timeout=30_000)
    go.touch()
    for window in windows:
        log = window.get_by_label("Log lines")
        playwright.expect(log.get_by_text("line 2")).to_be_visible(timeout=30_000)
    store.daemon.pachctl("delete", "pipeline", "talk")
    for window in windows:
        problem = window.get_by_text("It may have been deleted meanwhile.").first
        playwright.expect(problem).to_be_visible(timeout=30_000)


def test_a_page_that_is_not_looked_at_keeps_no_stream(store: Front, person: Person) -> None:
    script = "echo line 1; sleep 1000"
    store.daemon.pachctl(
        *("create", "pipeline", "-f", "-"), stdin=pipeline("talk", "training", "/", script)
    )
    person.click("talk")
    person.page.get_by_role("table").get_by_role("link").first.click()
    person.sees("line 1")

    def turn(*, hidden: bool) -> None:
        person.page.evaluate(
            "hidden => {"
            "  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
            "  document.dispatchEvent(new Event('visibilitychange'));"
            "}",
            hidden,
        )

    ended: list[str] = []
    person.page.on("requestfailed", lambda request: ended.append(request.url.split("/")[-1]))
    with person.page.expect_event("requestfailed", lambda _: len(set(ended)) == 2):
        turn(hidden=True)
    assert set(ended) == {"ReadLogs", "SubscribeChanges"}
    with person.page.expect_response("**/ReadLogs"):
        turn(hidden=False)
    person.sees("line 1")
    store.daemon.pachctl("delete", "pipeline", "talk")


def test_where_did_the_time_go(store: Front, person: Person) -> None:
    daemon = store.daemon
    daemon.pachctl("create", "repo", "many")
    folder = daemon.root.parent / "many"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.txt").touch()
    daemon.pachctl("put", "file", "-r", "many@master:/", "-f", str(folder))
    glob = {"pfs": {"repo": "many", "project": "default", "branch": "master", "glob": "/*"}}
    datums = [line["result"] for line in store.call("pps_v2.API/ListDatum", {"input": glob}).lines]
    last = max(datums, key=lambda one: one["datum"]["id"])  # it isn't on the first page
    slow = last["data"][0]["file"]["path"]
    script = f"[ ! -e /pfs/many{slow} ] || sleep 0.3"
    daemon.pachctl(
        *("create", "pipeline", "-f", "-"), stdin=pipeline("lengthy", "many", "/*", script)
    )
    daemon.pachctl("wait", "commit", "lengthy@master")
    person.click("lengthy")
    person.page.get_by_role("table").get_by_role("link").first.click()
    parts = person.page.get_by_label("Where the time went").get_by_role("listitem")
    playwright.expect(parts).to_contain_text(
        ["waiting", "planning", "input", "code start", "user code", "output", "merging"]
    )
    playwright.expect(parts.filter(has_text="user code")).not_to_contain_text(" 0 s")
    rows = person.page.get_by_label("Datums").get_by_role("row")
    playwright.expect(rows).to_have_count(101)
    playwright.expect(rows.filter(has_text=f"many:{slow}")).to_have_count(0)
    person.page.get_by_label("slowest first").check()
    playwright.expect(rows.nth(1)).to_contain_text(f"many:{slow}")
    person.click("More", "button")
    playwright.expect(rows).to_have_count(21)
    assert person.clicks == 2  # and two on what has no name
    daemon.pachctl("delete", "pipeline", "lengthy")
    daemon.pachctl("delete", "repo", "many")


def test_what_was_this_result_made_from_and_what_was_made_from_that(person: Person) -> None:
    person.page.goto(
        person.page.url.partition("#")[0] + "#/files/default/species/master?path=/1.csv"
    )
    person.click("Where it comes from")
    person.sees("made by")
    assert person.clicks == 1
    person.click("attributes@")
    person.sees_title("1.csv")
    person.click("Where it comes from")
    person.sees("put by its user")
    person.sees("which is part of")
    for name in ("species", "check"):
        playwright.expect(person.page.get_by_role("link", name=name, exact=True)).to_be_visible()
    assert person.clicks == 3


def test_the_commit_that_put_a_file_is_named(store: Front, person: Person) -> None:
    repo = {"name": "attributes", "type": "user", "project": {"name": "default"}}
    listed = store.call("pfs_v2.API/ListCommit", {"repo": repo}).lines
    newest, first, *_ = (one["result"]["commit"]["id"] for one in listed)
    person.page.goto(f"{store.origin}/#/lineage/default/attributes/{newest}?path=/1.csv")
    person.sees(f"attributes@{newest[:8]}:/1.csv")
    person.page.get_by_role("link", name=first[:8], exact=True).click()
    person.page.wait_for_url(f"**/{first}?path=*")


def test_which_rows_made_this_figure(person: Person) -> None:
    person.page.goto(
        f"{person.page.url.partition('#')[0]}#/files/default/score/master?path=/metrics.json"
    )
    person.click("Where it comes from")
    person.click("training@")
    person.click("iris.csv")
    playwright.expect(person.page.get_by_role("row", name="6.0 2.5")).to_have_count(2)
    assert person.clicks == 3


def test_what_was_made_from_this_file(person: Person) -> None:
    person.page.goto(
        f"{person.page.url.partition('#')[0]}#/files/default/attributes/master?path=/bad.csv"
    )
    person.click("Where it comes from")
    person.sees("What was made from it")
    uses = person.page.get_by_role("listitem").filter(has_text="which is part of")
    for made in ("success pipeline species", "failed pipeline check"):
        playwright.expect(uses.filter(has_text=made)).to_have_count(1)
    person.click("species@")
    person.sees_title("species")
    playwright.expect(person.page.get_by_role("link", name="bad.csv")).to_be_visible()
    assert person.clicks == 2


def test_what_was_made_from_a_file_is_looked_for_in_each_datum(
    store: Front, person: Person
) -> None:
    asked: list[str] = []

    def answer(route: Any) -> None:
        """The server's job, with 2,500 more datums before its own."""
        request = route.request.post_data_json
        if request["job"]["pipeline"]["name"] != "species":
            route.fulfill(body="")
            return
        number = len(asked)
        asked.append(request["paginationMarker"])
        if number % 6 == 5:
            request["paginationMarker"] = ""
            route.continue_(post_data=json.dumps(request))
            return
        repo = {"name": "attributes", "project": {"name": "default"}}
        file = {"commit": {"id": "1" * 32, "repo": repo}, "path": "/1.cs"}
        datums = (
            {"datum": {"id": f"{number}-{one}"}, "state": "SUCCESS", "data": [{"file": file}]}
            for one in range(500)
        )
        lines = "".join(json.dumps({"result": datum}) + "\n" for datum in datums)
        route.fulfill(body=lines, content_type="application/json")

    person.page.route("**/pps_v2.API/ListDatum", answer)
    person.page.goto(f"{store.origin}/#/lineage/default/attributes/master?path=%2F1.csv")
    person.sees("have more than 2,000 datums")
    playwright.expect(person.page.get_by_text("which is part of")).to_have_count(0)
    asked.clear()
    person.click("Look through all", "button")
    playwright.expect(person.page.get_by_text("which is part of")).to_have_count(1)
    assert asked == ["", *(f"{page}-499" for page in range(5))]
    playwright.expect(person.page.get_by_text("have more than")).to_have_count(0)


def test_which_code_made_it(store: Front, person: Person) -> None:
    rule = store.daemon.root.parent / "stage" / "rule.sh"
    person.page.goto(
        f"{person.page.url.partition('#')[0]}#/files/default/species/master?path=/1.csv"
    )
    person.click("Where it comes from")
    person.sees("as it is now")
    assert person.clicks == 1
    rule.write_text("false\n")
    person.page.reload()
    person.sees("(rule.sh differs from what there is now)")
    rule.write_text("true\n")


def test_which_model_was_best(person: Person) -> None:
    person.click("Metrics")
    person.sees("Marked: the greatest accuracy.")
    best = person.page.locator("tr.chosen")
    playwright.expect(best).to_contain_text("0.96")
    playwright.expect(person.page.locator(".chart canvas")).to_be_visible()
    assert person.clicks == 1
    for box in person.page.get_by_role("checkbox").all():
        box.check()
    accuracy = person.page.get_by_role("row", name="accuracy 0.93 0.96")
    playwright.expect(accuracy).to_contain_text("+0.03")
    beside = person.page.get_by_label("Side by side")
    playwright.expect(beside.get_by_role("link", name="training@")).to_have_count(2)
    playwright.expect(beside.get_by_role("row", name="command")).to_contain_text("sh")


def test_a_table_is_drawn(person: Person) -> None:
    person.click("training")
    person.click("master")
    person.click("iris.csv")
    playwright.expect(person.page.locator("circle")).to_have_count(6)
    assert person.clicks == 3
    playwright.expect(person.page.locator("figcaption")).to_contain_text("Iris-virginica")
    person.page.get_by_label("Across").select_option(label="column 1")
    playwright.expect(person.page.get_by_role("img")).to_have_attribute(
        "aria-label", "column 4 over column 1"
    )
    person.page.get_by_label("Coloured by").select_option(label="nothing")
    person.page.reload()
    playwright.expect(person.page.get_by_role("img")).to_have_attribute(
        "aria-label", "column 4 over column 1"
    )
    playwright.expect(person.page.locator("figcaption")).to_have_count(0)


def test_two_versions_are_compared_and_a_folder_is_taken_along(person: Person) -> None:
    person.click("training")
    person.click("master")
    with person.page.expect_download() as waited:
        person.click("Download all")
    with zipfile.ZipFile(waited.value.path()) as archive:
        (name,) = archive.namelist()
        assert name.endswith("/iris.csv")
        assert archive.read(name).decode() == FLOWERS + FLOWERS
    person.page.goto(f"{person.page.url.partition('#')[0]}#/files/default/species/master?path=/")
    for name in ("1.csv", "bad.csv"):
        person.page.get_by_label(f"Select /{name}").check()
    person.page.get_by_label("Select /1.csv").uncheck()
    with person.page.expect_download() as waited:
        person.click("Download 1 selected")
    with zipfile.ZipFile(waited.value.path()) as archive:
        (name,) = archive.namelist()
        assert name.endswith("/bad.csv")
    person.page.go_back()
    person.click("What changed")
    person.click("changed", "button")
    playwright.expect(person.page.locator(".came")).to_have_count(3)
    playwright.expect(person.page.locator(".went")).to_have_count(0)
    assert person.clicks == 6


def test_files_are_put_and_deleted_and_run_nothing(store: Front, person: Person) -> None:
    store.daemon.pachctl("create", "repo", "drop")
    store.daemon.pachctl("put", "file", "drop@master:/first", "-f", "-", stdin="1")
    person.page.goto(f"{store.origin}/#/files/default/drop/master?path=/")
    evil = b"# <img src=x onerror=alert(1)>\n\n[x](javascript:alert(1)) **bold**\n"
    person.page.get_by_label("Put files").set_input_files(
        {"name": "evil.md", "mimeType": "text/plain", "buffer": evil}
    )
    person.sees("evil.md is put")
    person.click("evil.md")
    person.sees("<img src=x onerror=alert(1)>")  # the letters, no picture
    assert person.page.locator("article img, article a").count() == 0
    person.click("Delete", "button")
    person.click("Delete in a new commit", "button")
    assert person.clicks == 3
    playwright.expect(person.page.get_by_role("link", name="evil.md")).to_have_count(0)
    person.click("first")
    person.click("Delete", "button")
    person.click("Keep", "button")
    person.click("Delete", "button")
    person.click("Delete in a new commit", "button")
    person.sees("This folder is empty.")
    person.page.get_by_label("Put files").set_input_files(
        {"name": "again", "mimeType": "text/plain", "buffer": b"2"}
    )
    person.sees("again is put")
    store.daemon.pachctl("delete", "repo", "drop")


def test_a_folder_keeps_the_focus_and_its_place_when_a_commit_comes(
    store: Front, person: Person
) -> None:
    daemon = store.daemon
    daemon.pachctl("create", "repo", "long")
    names = [f"{number:03}" for number in range(150)]
    folder = daemon.root.parent / "long"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    daemon.pachctl("put", "file", "-r", "long@master:/", "-f", str(folder))
    person.page.goto(f"{store.origin}/#/files/default/long/master?path=%2F")
    box = person.page.get_by_label("Select /120")
    box.focus()
    place = person.page.locator("#view")
    before = place.evaluate("view => view.scrollTop")
    assert before > 0
    person.page.evaluate(
        "box => { window.gone = 0; new MutationObserver(() => {"
        " if (!document.contains(box)) window.gone += 1;"
        " }).observe(document, { childList: true, subtree: true }) }",
        box.element_handle(),
    )
    daemon.pachctl("put", "file", "long@master:/149-new", "-f", "-", stdin="new")
    person.sees("149-new")
    playwright.expect(box).to_be_focused()
    assert place.evaluate("view => view.scrollTop") == before
    assert person.page.evaluate("window.gone") == 0
    daemon.pachctl("delete", "repo", "long")


def test_a_list_says_that_there_are_older_ones_and_shows_them(store: Front, person: Person) -> None:
    store.daemon.pachctl("create", "repo", "old")
    repo = {"name": "old", "type": "user", "project": {"name": "default"}}
    branch = {"repo": repo, "name": "master"}
    for _ in range(101):
        commit = store.call("pfs_v2.API/StartCommit", {"branch": branch}).json
        store.call("pfs_v2.API/FinishCommit", {"commit": commit})
    person.page.goto(f"{store.origin}/#/repo/default/old")
    person.sees("These are the newest 50.")
    older = person.page.get_by_role("button", name="Older")
    older.focus()
    rows = person.page.get_by_role("row")
    for text, count in (("These are the newest 100.", 100), ("These are all 101.", 101)):
        person.page.keyboard.press("Enter")
        person.sees(text)
        playwright.expect(rows).to_have_count(1 + count)
        playwright.expect(older).to_be_focused()
    store.daemon.pachctl("delete", "repo", "old")


def test_a_pipelines_output_takes_no_files_and_says_why_there_are_none(
    store: Front, person: Person
) -> None:
    person.page.goto(f"{store.origin}/#/files/default/species/master?path=/")
    person.sees("bad.csv")
    assert person.page.get_by_label("Put files").count() == 0
    person.click("bad.csv")
    person.sees("Where it comes from")
    assert person.page.get_by_role("button", name="Delete").count() == 0
    person.page.goto(f"{store.origin}/#/files/default/check/master?path=/")
    person.sees("datum")
    person.sees("This folder is empty.")


def test_what_a_server_that_has_gone_did_not_do_is_said(store: Front, person: Person) -> None:
    daemon, page = store.daemon, person.page
    daemon.pachctl("create", "repo", "drop")
    daemon.pachctl("put", "file", "drop@master:/first", "-f", "-", stdin="1")
    daemon.pachctl(
        *("create", "pipeline", "-f", "-"), stdin=pipeline("talk", "drop", "/", "sleep 1000")
    )
    away = "The page's server doesn't answer."

    page.goto(f"{store.origin}/#/files/default/drop/master?path=/")
    person.sees("Files can be dropped here")
    page.route("**/pfs/**", lambda route: route.abort())
    file = {"name": "second", "mimeType": "text/plain", "buffer": b"2"}
    page.get_by_label("Put files").set_input_files(file)
    person.sees(f"second isn't put: {away}")
    page.unroute("**/pfs/**")

    person.click("first")
    person.sees("Where it comes from")
    page.route("**/pfs/**", lambda route: route.abort())
    person.click("Delete", "button")
    person.click("Delete in a new commit", "button")
    playwright.expect(page.get_by_role("alert").filter(has_text=away)).to_be_visible()

    page.goto(f"{store.origin}/#/pipeline/default/talk")
    page.get_by_role("table").get_by_role("link").first.click()
    person.sees_title("Job")
    page.route("**/StopJob", lambda route: route.abort())
    person.click("Stop", "button")
    playwright.expect(page.get_by_role("alert").filter(has_text=away)).to_be_visible()
    page.unroute("**/StopJob")
    person.click("Stop", "button")
    person.sees("killed")
    assert page.get_by_role("alert").count() == 0
    daemon.pachctl("delete", "pipeline", "talk")
    daemon.pachctl("delete", "repo", "drop")


def test_a_notebook_is_shown_with_its_outputs_and_runs_nothing(
    store: Front, person: Person
) -> None:
    dot = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
        "rkJggg=="
    )
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    table = (
        "<table onclick='alert(1)'><tr><td>5.1<img src=x onerror=alert(1)></td></tr></table>"
        "<script>alert(1)</script><style>body {display: none}</style>"
        "<form action=javascript:alert(1)><a href='javascript:alert(1)'>a link</a></form>"
    )
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": ["150 ", "rows\n"]},
        {"output_type": "display_data", "data": {"image/png": dot, "text/plain": "<Figure>"}},
        {"output_type": "display_data", "data": {"image/svg+xml": drawing}},
        {"output_type": "execute_result", "data": {"text/html": table, "text/plain": "5.1"}},
        {"output_type": "error", "traceback": ["\x1b[31mValueError\x1b[0m: row 4"]},
    ]
    notebook = {
        "nbformat": 4,
        "cells": [
            {"cell_type": "markdown", "source": ["# The Iris\n", "in **150** rows"]},
            {
                "cell_type": "code",
                "execution_count": 7,
                "source": "frame.describe()",
                "outputs": outputs,
            },
        ],
    }
    store.daemon.pachctl("create", "repo", "notes")
    store.daemon.pachctl(
        *("put", "file", "notes@master:/a.ipynb", "-f", "-"), stdin=json.dumps(notebook)
    )
    person.page.goto(f"{store.origin}/#/files/default/notes/master?path=/a.ipynb")
    playwright.expect(person.page.get_by_role("heading", level=2)).to_have_text("The Iris")
    cell = person.page.get_by_label("Cell 7")
    for text in ("frame.describe()", "150 rows", "ValueError: row 4", "a link"):
        playwright.expect(cell).to_contain_text(text)
    playwright.expect(cell.get_by_role("cell")).to_have_text("5.1")
    playwright.expect(cell.get_by_alt_text("<Figure>")).to_have_js_property("naturalWidth", 1)
    assert cell.locator("img").count() == 2  # none is of the HTML
    assert cell.locator("script, style, form, a, [onclick]").count() == 0
    store.daemon.pachctl("delete", "repo", "notes")


def test_a_changed_spec_is_planned_before_it_is_applied(store: Front, person: Person) -> None:
    person.click("species")
    person.click("Edit", "button")
    editor = person.page.get_by_label("The spec")
    spec = json.loads(editor.input_value())
    editor.fill("{")
    person.click("See what it would run", "button")
    playwright.expect(person.page.get_by_role("alert")).to_be_visible()
    editor.fill(json.dumps(spec | {"description": "Copies."}))
    apply = person.page.get_by_role("button", name="Apply")
    playwright.expect(apply).to_be_disabled()
    editor.fill(json.dumps(spec).replace('"name": "species"', '"name": "other"'))
    person.page.get_by_role("button", name="See what it would run").click()
    person.sees("The pipeline's name must stay species")
    editor.fill(json.dumps(spec).replace("attributes", "atributes"))
    person.page.get_by_role("button", name="See what it would run").click()
    person.sees("repo default/atributes not found")
    playwright.expect(apply).to_be_disabled()
    editor.fill(json.dumps(spec | {"description": "Copies."}))
    person.click("See what it would run", "button")
    person.sees("0 would run, 2 would be skipped")
    person.click("Apply", "button")
    person.sees("Copies.")
    assert person.clicks == 5  # one of them for the spec that was none


def test_a_spec_that_is_being_typed_outlives_what_others_do(store: Front, person: Person) -> None:
    daemon = store.daemon
    for text in ("true", "echo"):
        spec = pipeline("shared", "attributes", "/", text)
        verb = "create" if text == "true" else "update"
        daemon.pachctl(verb, "pipeline", "-f", "-", stdin=spec)
        if text == "true":
            person.click("shared")
            person.click("Edit", "button")
            editor = person.page.get_by_label("The spec")
            typed = json.dumps(json.loads(editor.input_value()) | {"description": "Mine."})
            editor.fill(typed)
            person.click("See what it would run", "button")
            apply = person.page.get_by_role("button", name="Apply")
            playwright.expect(apply).to_be_enabled()
    person.sees("The pipeline has changed meanwhile: it is version 2 now")
    assert editor.input_value() == typed
    playwright.expect(apply).to_be_disabled()  # what it would run may be something else
    person.click("Load the spec of version 2 instead", "button")
    assert json.loads(editor.input_value())["transform"]["stdin"] == ["echo"]
    editor.fill(typed)
    daemon.pachctl("delete", "pipeline", "shared")
    person.sees("It may have been deleted meanwhile.")
    assert editor.input_value() == typed


def test_a_search_without_a_hit_says_so_and_the_address_has_it(
    store: Front, person: Person
) -> None:
    said = person.page.get_by_role("status")
    search = person.page.get_by_role("searchbox")
    search.fill("nobody")
    playwright.expect(said).to_have_text("No repo or pipeline has this in its name.")
    person.click("Show as list")
    playwright.expect(search).to_have_value("nobody")
    playwright.expect(person.page.get_by_role("row")).to_have_count(1)
    search.fill("score")
    playwright.expect(said).to_have_text("1 hit")
    person.page.reload()
    playwright.expect(said).to_have_text("1 hit")


def test_another_project_is_shown_in_the_same_view(store: Front, person: Person) -> None:
    for view in ("workshop", "room", "jobs", "metrics", "dag"):
        person.page.goto(f"{store.origin}/#/{view}/default")
        person.page.get_by_label("Project").select_option("empty")
        person.page.wait_for_url(f"**/#/{view}/empty")
    person.page.goto(f"{store.origin}/#/repo/default/training")
    person.page.get_by_label("Project").select_option("empty")
    person.page.wait_for_url("**/#/dag/empty")


def test_commands_name_the_project_unless_the_context_does(store: Front, person: Person) -> None:
    daemon = store.daemon
    daemon.pachctl("create", "repo", "bare", "--project", "empty")
    person.page.goto(f"{store.origin}/#/repo/empty/bare")
    person.sees("pachctl put file bare@master -f FILE --project empty")
    person.page.goto(f"{store.origin}/#/workshop/empty")
    command = "pachctl create repo training --project empty"
    person.sees(command)
    daemon.pachctl(*command.split()[1:])
    daemon.pachctl("delete", "repo", "--all", "--project", "empty")
    person.page.goto(f"{store.origin}/#/dag/empty")
    person.sees("pachctl create pipeline -f python_train.json --project empty")
    daemon.pachctl("config", "set", "context", "mine", stdin='{"project": "empty"}')
    daemon.pachctl("config", "set", "active-context", "mine")
    try:
        person.page.evaluate("dispatchEvent(new Event('focus'))")  # from the terminal
        playwright.expect(person.page.get_by_text("--project")).to_have_count(0)
        person.page.goto(f"{store.origin}/?again")
        person.sees_title("Nothing here yet")
        person.page.goto(f"{store.origin}/#/workshop/default")
        person.sees("pachctl config update context --project default")
    finally:
        daemon.pachctl("config", "update", "context", "mine", "--project", "default")


def test_the_server_goes_and_comes_back(store: Front, person: Person) -> None:
    person.sees("training")
    store.daemon.stop(signal.SIGKILL)
    person.sees("The server doesn't answer.")
    person.sees("training")  # what was there stays
    result = store.daemon.run("pachlocal", *store.daemon.up_arguments)
    assert result.returncode == 0
    store.daemon.started()
    playwright.expect(person.page.get_by_text("The server doesn't answer.")).to_have_count(0)


def test_an_empty_project_and_what_is_gone_say_what_to_do(store: Front, person: Person) -> None:
    person.page.goto(f"{store.origin}/#/dag/empty")
    person.sees("pachctl create repo training")
    person.page.goto(f"{store.origin}/#/pipeline/default/gone")
    person.sees("It may have been deleted meanwhile.")
    person.page.goto(f"{store.origin}/#/nothing")
    person.sees("There is no such view.")
    person.page.goto(f"{store.origin}/?cut#/repo/default/100%")
    person.sees("This can't be shown")
    person.page.goto(f"{store.origin}/#/jobs/nowhere")
    person.sees("There is no project nowhere.")
    store.daemon.pachctl("create", "project", "nowhere")
    person.sees("No pipeline has run yet.")
    store.daemon.pachctl("delete", "project", "nowhere")
    person.click("To empty")
    person.sees("pachctl create repo training")


def test_a_view_that_fails_leaves_the_page_and_ways_out(store: Front, person: Person) -> None:
    """A server that answers what nobody expects is as good as a slip of ours."""
    asked = f"{store.origin}/api/pps_v2.API/InspectPipeline"
    person.page.route(asked, lambda route: route.fulfill(json={"details": {"transform": {}}}))
    person.page.goto(f"{store.origin}/#/pipeline/default/species")
    person.sees("This view can't be drawn, which is a fault of the page")
    person.page.unroute(asked)
    person.click("To the DAG")
    person.sees("1 of 2 failed")
    person.page.goto(f"{store.origin}/#/pipeline/default/species")
    person.sees_title("species")


def test_what_is_damaged_or_deleted_meanwhile_says_so(store: Front, person: Person) -> None:
    daemon = store.daemon
    daemon.pachctl("create", "repo", "harmed")
    known = set(daemon.root.glob("chunks/*/*"))
    rows = "".join(f"{number},{number % 7}\n" for number in range(100_000))
    for name in ("rows.csv", "picture.png"):
        daemon.pachctl("put", "file", f"harmed@master:/{name}", "-f", "-", stdin=rows + name)
    for chunk in set(daemon.root.glob("chunks/*/*")) - known:
        with chunk.open("r+b") as file:
            file.write(b"?")
    for name in ("rows.csv", "picture.png"):
        person.page.goto(f"{store.origin}/#/files/default/harmed/master?path=/{name}")
        person.sees("is damaged: its bytes have changed")
        person.sees("To put the same file again heals it")
    daemon.pachctl("delete", "repo", "harmed")
    person.sees("It may have been deleted meanwhile.")

    daemon.pachctl("create", "pipeline", "-f", "-", stdin=pipeline("gone", "training", "/", "true"))
    daemon.pachctl("wait", "commit", "gone@master")
    job = {"pipeline": {"name": "gone", "project": {"name": "default"}}}
    (line,) = store.call("pps_v2.API/ListJob", job).lines
    last = line["result"]["job"]["id"]
    person.page.goto(f"{store.origin}/#/job/default/gone/{last}")
    person.sees("1 processed")
    daemon.pachctl("delete", "job", f"gone@{last}")
    person.sees("It may have been deleted meanwhile.")
    person.page.goto(f"{store.origin}/#/pipeline/default/gone")
    person.sees("There is none yet")
    daemon.pachctl("delete", "pipeline", "gone")
    person.sees("It may have been deleted meanwhile.")
    person.click("Back to the DAG")
    person.sees("1 of 2 failed")


def test_the_room_shows_who_is_at_which_step(store: Front, person: Person) -> None:
    daemon = store.daemon
    daemon.pachctl("create", "project", "anna")
    person.click("Workshop")
    person.click("Who is at which step")
    assert person.clicks == 2
    rows = person.page.get_by_role("row").filter(has_text="anna")
    playwright.expect(rows).to_contain_text("2 Create the input repositories")
    for repo in ("training", "attributes"):
        daemon.pachctl("create", "repo", repo, "--project", "anna")
    playwright.expect(rows).to_contain_text("3 Commit the training data")
    data = ("-f", str(ROOT / "data/iris.csv"), "--project", "anna")
    daemon.pachctl("put", "file", "training@master", *data)
    playwright.expect(rows).to_contain_text("4 Create the training pipeline")
    rows.get_by_role("link").click()
    person.sees("there is no pipeline model")
    person.sees("pachctl create pipeline -f python_train.json")
    daemon.pachctl("delete", "repo", "--all", "--project", "anna")
    daemon.pachctl("delete", "project", "anna")


def test_it_works_by_the_keyboard(person: Person) -> None:
    person.sees("training")
    person.page.get_by_role("searchbox").focus()
    person.page.keyboard.type("spec")
    person.page.keyboard.press("Enter")
    person.sees_title("species")
    person.page.go_back()
    node = person.page.get_by_role("link", name="score")
    node.focus()
    before = person.page.locator("svg g").first.get_attribute("transform")
    person.page.keyboard.press("+")
    playwright.expect(person.page.locator("svg g").first).not_to_have_attribute("transform", before)
    person.page.keyboard.press("Enter")
    person.sees_title("score")


def test_a_stored_page_is_shown_and_can_do_nothing(store: Front, person: Person) -> None:
    script = "parent.document.title = 'taken'; fetch('/healthz'); document.body.textContent = 'ran'"
    text = f"<!doctype html><title>x</title><h1>A report</h1><script>{script}</script>"
    store.daemon.pachctl("put", "file", "training@pages:/report.html", "-f", "-", stdin=text)
    person.page.goto(f"{store.origin}/#/files/default/training/pages?path=/report.html")
    framed = person.page.frame_locator("iframe")
    playwright.expect(framed.get_by_role("heading", name="A report")).to_be_visible()
    playwright.expect(framed.locator("body")).not_to_have_text("ran")
    person.click("Show its source", "button")
    person.sees("<h1>A report</h1>")
    assert person.page.title() != "taken"


def views(store: Front) -> dict[str, str]:
    """All views, each with what is seen when it is whole."""
    job = {"pipeline": {"name": "check", "project": {"name": "default"}}, "number": 1}
    last = store.call("pps_v2.API/ListJob", job).lines[0]["result"]["job"]["id"]
    asked = {"repo": {"name": "score", "type": "user", "project": {"name": "default"}}}
    commits = store.call("pfs_v2.API/ListCommit", asked).lines
    models = [line["result"]["commit"]["id"] for line in commits]
    return {
        "dag/default": "training",
        "dag/default?as=list": "Newest job",
        "dag/empty": "Nothing here yet",
        "jobs/default": "Where the time went",
        "pipeline/default/check": "Spec",
        f"job/default/check/{last}": "Datums",
        "repo/default/training": "Commits",
        "files/default/training/master?path=/": "iris.csv",
        "files/default/training/master?path=/iris.csv": "rows",
        "lineage/default/species/master?path=/1.csv": "made by",
        "changes/default/training/master": "What changed",
        "metrics/default": "Marked",
        f"metrics/default/score?compare={','.join(models)}": "Side by side",
        "workshop/default": "comes next",
        "room/default": "Last commit",
        "pipeline/default/none": "This can't be shown",
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_wrong(store: Front, browser: Any, scheme: str, width: int) -> None:
    viewport = {"width": width, "height": 800}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    page.goto(store.note["link"])
    script = AXE.read_text()
    found = []
    for view, seen in views(store).items():
        page.goto(f"{store.origin}/#/{view}")
        playwright.expect(page.get_by_text(seen).first).to_be_visible()
        page.evaluate(script)
        for violation in page.evaluate("axe.run()")["violations"]:
            found.append((view, violation["id"], violation["nodes"][0]["html"]))
        wide = page.evaluate(
            "Math.max(document.documentElement.scrollWidth, document.all.view.scrollWidth)"
        )
        if wide > width:
            found.append((view, "wider than the window", wide))
    context.close()
    assert found == []


def test_the_folders_that_http_lists_can_be_walked(store: Front, person: Person) -> None:
    store.daemon.pachctl("create", "repo", "walked")
    store.daemon.pachctl("put", "file", "walked@master:/a/b/note.txt", "-f", "-", stdin="a note")
    person.page.goto(f"{store.origin}/pfs/default/walked/master/")
    for name in ("a/", "b/", "note.txt"):
        person.click(name)
    person.sees("a note")
    person.page.go_back()
    person.click("..")
    playwright.expect(person.page.get_by_role("heading", level=1)).to_have_text(
        "default/walked/master/a/"
    )
    store.daemon.pachctl("delete", "repo", "walked")


@pytest.mark.skipif(PROGRAM is None, reason="Firefox is not installed")
def test_firefox_shows_it_too_on_a_large_screen(store: Front, tmp_path: Path) -> None:
    with firefox(tmp_path / "profile", 3840, 2160) as window:
        window.go(store.note["link"])
        window.sees("1 of 2 failed")
        store.daemon.pachctl("create", "repo", "newcomer")
        window.sees("newcomer")
        store.daemon.pachctl("delete", "repo", "newcomer")
        window.waits_for("!document.body.innerText.includes('newcomer')")
        window.clicks("a.node.pipeline rect")
        window.sees("Where the time went")
        axe = AXE.read_text()
        found = []
        for view, seen in views(store).items():
            window.run(f"location.hash = '#/{view}'")
            window.sees(seen)
            for violation in window.run(f"{axe}; return (await axe.run()).violations"):
                found.append((view, violation["id"], violation["nodes"][0]["html"]))
            wide = window.run("return document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                found.append((view, "wider than the window", wide))
        assert window.run("return innerWidth") == 3840
    assert found == []
