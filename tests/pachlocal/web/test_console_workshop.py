"""The whole workshop with the page open, which follows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from walkthrough.machine import Daemon, second_language
from walkthrough.steps import STEPS
from walkthrough.walk import Walk

from .conftest import Front, wants_console

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("walk")
    daemon = Daemon(folder / "store")
    wants_console(daemon)
    yield Walk(daemon, folder, other=second_language())
    daemon.end()
    print(f"The log:\n{daemon.log}")


@pytest.mark.slow
def test_the_page_ticks_each_step_as_it_is_done(walk: Walk, browser: Any) -> None:
    first, *others = STEPS
    first.do(walk)  # starts the daemon
    front = Front(walk.daemon)
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(front.note["link"])
    page.goto(f"{front.origin}/#/workshop/default")
    for step in others:
        step.do(walk)
        if step.title == "Swap the language" and not walk.other:
            continue
        item = page.get_by_role("listitem").nth(step.number - 1)
        playwright.expect(item.get_by_text("done", exact=True)).to_be_attached()
    playwright.expect(page.get_by_role("status")).to_have_text("All steps are done.")
    assert wrong == []
