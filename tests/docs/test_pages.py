import os
import re
from pathlib import Path

import pytest

from tests.docs.rerun.normal import normal, promised
from tests.docs.rerun.page import Block, blocks, rewritten
from tests.docs.rerun.run import rerun
from tests.docs.rerun.shell import BlockError, Shell
from tests.walkthrough.machine import ROOT, second_language

pytestmark = pytest.mark.slow

EXERCISES = sorted((ROOT / "docs" / "exercises").glob("[0-9]-*.md"))
PAGES = [ROOT / "README.md", *EXERCISES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_its_commands_print(page: Path):
    if page.name == "README.md" and not second_language():
        pytest.skip("its step 12 is in R, which is not installed with MASS and e1071")
    assert promised(page.read_text()) == promised(rerun(page)), "run: make readme"


@pytest.mark.skipif(not second_language(), reason="R is not installed with MASS and e1071")
@pytest.mark.parametrize("page", EXERCISES, ids=lambda page: page.name)
def test_an_exercise_works_in_r(page: Path, tmp_path: Path):
    text = page.read_text()
    assert text.count("\nCODE=python\n") == 1
    copy = tmp_path / page.name
    copy.write_text(text.replace("\nCODE=python\n", "\nCODE=rstats\n"))
    done = rerun(copy)
    assert re.search(r" [1-9] \+ \d / \d .* success$", done, re.MULTILINE)


@pytest.fixture
def shell(tmp_path: Path):
    with Shell(tmp_path, dict(os.environ)) as it:
        yield it


def test_variables_live_from_block_to_block(shell: Shell):
    shell.run(Block(1, "NAME=iris", 0, ""))
    assert shell.run(Block(2, 'printf "$NAME"', 0, "")) == "iris\n"


def test_a_command_that_fails_is_noticed_though_it_is_not_the_last(shell: Shell):
    with pytest.raises(BlockError, match="line 7: exit code 1 instead of 0"):
        shell.run(Block(7, "false\necho", 0, ""))


def test_a_command_that_should_fail_and_does_not_is_noticed(shell: Shell):
    assert shell.run(Block(1, "echo no >&2; exit 3", 3, "")) == "no\n"
    with pytest.raises(BlockError, match="exit code 0 instead of 3"):
        shell.run(Block(1, "true", 3, ""))


def test_outputs_are_put_in_replaced_and_taken_away():
    page = "a\n```sh\none\n```\nb\n```sh\ntwo\n```\n\n```text\nold\n```\nc\n"
    shown = "a\n```sh\none\n```\n\n```text\n1\n```\nb\n```sh\ntwo\n```\nc\n"
    printed = {"one\n": "1\n", "two\n": ""}
    assert rewritten(page, lambda block: printed[block.commands]) == shown


def test_what_is_marked_is_not_run():
    assert blocks("<!-- not run -->\n```sh\nmake\n```\n") == []


def page_of(output: str) -> str:
    return f"```sh\nrun\n```\n\n```text\n{output}```\n"


def test_ids_may_be_others_when_the_same_ones_are_equal():
    one, two, three, four = (digit * 32 for digit in "0123")
    page = normal(page_of(f"{one} {two} {one}\n"))
    assert page == normal(page_of(f"{three} {four} {three}\n"))
    assert page != normal(page_of(f"{three} {four} {four}\n"))


def test_times_and_the_width_of_their_columns_may_be_others():
    short = "NAME CREATED      SIZE \nrepo 1 minute ago 0B   \n"
    long = "NAME CREATED                SIZE \nrepo Less than a second ago 0B   \n"
    other = "NAME CREATED      SIZE \nrepo 1 minute ago 1B   \n"
    for before in ("", "two tables\n", "DONE nothing\n\n"):
        pages = [normal(page_of(f"{before}{table}\nend\n")) for table in (short, long, other)]
        assert pages[0] == pages[1] != pages[2]
