"""docs/own-pipelines.md: its specifications do what it says, and its test is that of `init`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pachlocal.cli.pachlocal.starting.files import files
from pachlocal.testing import Server
from tests.walkthrough.machine import ROOT

PAGE = (ROOT / "docs" / "own-pipelines.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_joins_and_groups_make_the_datums_that_the_page_names() -> None:
    months, years = (json.loads(block) for block in blocks("json"))
    with Server() as server:
        server.put("sales", {"/2024-01.csv": "s1 ", "/2024-02.csv": "s2 "})
        server.put("costs", {"/2024-01.csv": "c1"})
        assert server.apply(months, years).ran == {"months": 1, "years": 1}
        assert server.files("months") == {"/2024-01": b"s1 c1"}
        assert server.files("years") == {"/2024": b"s1 s2 "}
        months["input"]["join"][0]["pfs"]["outer_join"] = True
        months["transform"]["stdin"] = ["cat /pfs/sales/* > /pfs/out/$PACH_DATUM_sales_JOIN_ON"]
        server.apply(months, reprocess=True).check()
        assert server.files("months") == {"/2024-01": b"s1 ", "/2024-02": b"s2 "}


def test_it_shows_the_test_and_names_the_files_that_init_writes() -> None:
    written = files("python")
    (shown,) = blocks("python")
    known = {line.strip() for line in written["tests/test_words.py"].splitlines()}
    known |= {line.replace("TEXTS", _texts(written)) for line in known}
    unknown = [line.strip() for line in shown.splitlines() if line.strip() not in known]
    assert unknown == ["# Changing one file runs one datum."]
    named = set(re.findall(r"`([\w./-]+)`", PAGE.partition("| file |")[2].partition("\n\n")[0]))
    assert named == {str(Path(name)) for name in written}


def _texts(written: dict[str, str]) -> str:
    (line,) = (it for it in written["tests/test_words.py"].splitlines() if it.startswith("TEXTS"))
    return line.removeprefix("TEXTS = ")
