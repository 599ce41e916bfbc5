import os
from pathlib import Path

import pytest

from tests.docs.rerun.normal import Normal, promised
from tests.docs.rerun.page import Block, blocks, rewritten
from tests.docs.rerun.run import rerun
from tests.docs.rerun.shell import BlockError, Shell
from tests.walkthrough.machine import ROOT

pytestmark = pytest.mark.slow

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "exercises").glob("*.md"))]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page.read_text())], ids=lambda page: page.name
)
def test_a_page_shows_what_its_commands_print(page: Path):
    assert promised(page.read_text()) == promised(rerun(page)), "run: make readme"


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


def test_equal_ids_stay_equal_and_others_differ():
    one, two = "0" * 32, "1" * 32
    first, second, third = Normal({})(f"{one} {two} {one}\n").split()
    assert first == third != second
    assert first not in (one, two)
    assert len(first) == 32


def test_times_in_a_table_get_one_width():
    normal = Normal({})
    short = normal("NAME CREATED      SIZE \nrepo 1 minute ago 0B   \n")
    long = normal("NAME CREATED                SIZE \nrepo Less than a second ago 0B   \n")
    assert short == long == "NAME CREATED       SIZE\nrepo 5 seconds ago 0B\n"
