"""Help, guesses at what was meant, and completion."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from pachlocal.cli.pachctl.examples import EXAMPLES
from pachlocal.cli.pachctl.root import pachctl as root
from pachlocal.cli.pachctl.v14.table import PLACES
from pachlocal.cli.pachlocal import cli as pachlocal

pytestmark = pytest.mark.slow


def commands(group: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Names every command that isn't a group."""
    assert isinstance(group, click.Group)
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*words, name))
        else:
            yield (*words, name)


ALL = [*commands(root), *((name,) for name in PLACES)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_an_example(pachctl: Any, words: tuple[str, ...]) -> None:
    outcome = pachctl(*words, "--help")
    assert outcome.code == 0
    assert "Example" in outcome.out


def test_examples_are_of_commands_that_there_are() -> None:
    assert set(EXAMPLES) <= {" ".join(words) for words in ALL}


@pytest.mark.parametrize("words", EXAMPLES)
def test_examples_can_be_called(words: str) -> None:
    line = EXAMPLES[words].partition("pachctl ")[2].split("<(")[-1].rstrip(")")
    context = click.Context(root, info_name="pachctl", resilient_parsing=False)
    _, command, rest = root.resolve_command(context, line.replace('"', "").split())
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        _, command, rest = command.resolve_command(context, rest)
    assert command is not None
    assert command.name == words.split()[-1]


@pytest.mark.parametrize("name", sorted(pachlocal.commands))
def test_every_command_of_pachlocal_has_an_example(name: str) -> None:
    command = pachlocal.commands[name]
    assert "Example: pachlocal" in command.get_help(click.Context(command, info_name=name))


def test_help_is_the_same_in_words(pachctl: Any) -> None:
    for words in (["put", "file"], ["list"], ["create-repo"], ["config", "get"]):
        assert pachctl("help", *words).out == pachctl(*words, "--help").out
    assert pachctl("help").out == pachctl("--help").out
    assert pachctl("help", "list", "repos").out == pachctl("list", "repo", "-h").out
    assert "  set-branch " in pachctl("help", "1.4").out
    assert pachctl("help", "frobnicate").code == 2
    assert pachctl("help", "put", "file", "more").code == 2


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("lst repo", '"list"'),
        ("list repoo", '"repo"'),
        ("repo list", '"list repo"'),
        ("create-branch a@b", '"create branch"'),
        ("ls", '"list"'),
        ("put-fle a master", '"put-file"'),
    ],
)
def test_what_was_meant_is_guessed(pachctl: Any, line: str, guess: str) -> None:
    outcome = pachctl(*line.split())
    assert outcome.code == 2
    assert f"Did you mean {guess}" in outcome.err


def test_where_nothing_is_near_all_are_named(pachctl: Any) -> None:
    assert "There are cluster, datum." in pachctl("restart", "frobnicate").err
    assert pachctl("frobnicate").err.endswith('There is no command "frobnicate".\n')


def completed(*words: str, monkeypatch: pytest.MonkeyPatch, pachctl: Any) -> list[str]:
    monkeypatch.setenv("_PACHCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["pachctl", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    return pachctl().out.split()


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (("lis",), ["plain,list"]),
        (("start", ""), ["plain,commit", "plain,pipeline", "plain,transaction"]),
        (("create-r",), ["plain,create-repo"]),
        (("list", "repo", "--full"), ["plain,--full-timestamps"]),
        (("put", "file", "d@m", "-f", "da"), ["file,da"]),
        (("completion", "z"), ["plain,zsh"]),
        (("frobnicate", "x"), []),
    ],
)
def test_completion(
    monkeypatch: pytest.MonkeyPatch, pachctl: Any, words: tuple[str, ...], proposed: list[str]
) -> None:
    assert completed(*words, monkeypatch=monkeypatch, pachctl=pachctl) == proposed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_take_the_script(pachctl: Any, tmp_path: Path, shell: str) -> None:
    script = pachctl("completion", shell).out
    assert "_PACHCTL_COMPLETE" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} isn't installed")
    (tmp_path / "script").write_text(script)
    done = subprocess.run([program, "-n", str(tmp_path / "script")], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_bash_completes(pachctl: Any, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash isn't installed")
    program = tmp_path / "pachctl"
    body = "import sys; from pachlocal.cli.pachctl import main; sys.exit(main())"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{body}" "$@"\n')
    program.chmod(0o755)
    ask = 'COMP_WORDS=(pachctl subscribe ""); COMP_CWORD=2; _pachctl_completion pachctl'
    script = f'{pachctl("completion", "bash").out}\n{ask}\necho "${{COMPREPLY[@]}}"\n'
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout == "commit\n"
