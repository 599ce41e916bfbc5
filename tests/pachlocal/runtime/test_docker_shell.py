"""Commands told to shells: a program gets what was meant for it, and what it says comes back."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pachlocal.runtime.contract import Invocation
from pachlocal.runtime.docker.shell import HELLO, READY, ShellOutput, can_run, new_marker, script

SHELLS = {
    name: argv
    for name, argv in {"sh": ["sh"], "bash": ["bash"], "busybox": ["busybox", "sh"]}.items()
    if shutil.which(argv[0])
}
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
ECHO = 'printf "%s\\0" "$@" "$MINE"; cat'


def frames(output: bytes, errors: bytes, size: int) -> list[bytes]:
    """What Docker sends of two outputs, in pieces of a size."""
    said = [
        bytes((stream, 0, 0, 0)) + len(part).to_bytes(4, "big") + part
        for stream, text in ((1, output), (2, errors))
        for part in (text[at : at + size] for at in range(0, len(text), size))
    ]
    whole = b"".join(said)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def told(argv: list[str], invocation: Invocation, size: int = 1 << 16) -> ShellOutput:
    """Has a shell run a command; returns what is understood of its answer."""
    marker = new_marker()
    said = HELLO + script(invocation, invocation.env, marker)
    shell = subprocess.run(argv, env=ENV, input=said, capture_output=True, timeout=60, check=True)
    hello, _, output = shell.stdout.partition(READY)
    assert hello.strip().endswith(b"setsid")
    lines: list[str] = []
    read = ShellOutput(lambda text: lines.extend(text.split("\n")), marker)
    for piece in frames(b"late" + output, shell.stderr, size):
        read.feed(piece)
    read.finish()
    read.lines = lines  # type: ignore[attr-defined]
    return read


@pytest.mark.parametrize("argv", SHELLS.values(), ids=SHELLS)
@settings(deadline=None, max_examples=25)
@given(
    arguments=st.lists(TEXT, max_size=3),
    value=TEXT,
    stdin=st.lists(TEXT, max_size=3),
    size=st.integers(1, 40),
)
def test_a_program_gets_what_was_meant_for_it(
    argv: list[str], arguments: list[str], value: str, stdin: list[str], size: int
) -> None:
    given_ = "".join(f"{line}\n" for line in stdin)
    cmd = ("sh", "-c", ECHO, "sh", *arguments)
    invocation = Invocation(cmd, given_.encode(), {"MINE": value})
    assert can_run(invocation, invocation.env)
    answer = told(argv, invocation, size)
    expected = "".join(f"{part}\0" for part in (*arguments, value)) + given_
    assert (answer.begun, answer.code, answer.refused) == (True, 0, False)
    assert "\n".join(answer.lines) == expected.removesuffix("\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("argv", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("exit 7", 7, []),
        ("kill -9 $$", 137, []),
        ("kill 0", 143, []),
        ("echo on; exec >&- 2>&-; exit 3", 3, ["on"]),
        ("printf 'no newline'", 0, ["no newline"]),
        ("printf '\\000x'; printf '\\000' >&2", 0, ["\0x", "\0"]),
    ],
)
def test_how_a_command_ends(argv: list[str], command: str, code: int, said: list[str]) -> None:
    answer = told(argv, Invocation(("sh", "-c", command), working_dir="/"), 3)
    assert answer.code == code
    assert answer.lines == said  # type: ignore[attr-defined]


@pytest.mark.parametrize("argv", SHELLS.values(), ids=SHELLS)
def test_a_program_has_the_variables_that_it_would_have_without_a_shell(argv: list[str]) -> None:
    answer = told(argv, Invocation(("env",), env={"MINE": "1"}, working_dir="/"))
    names = {line.partition("=")[0] for line in answer.lines}  # type: ignore[attr-defined]
    assert names - {"_"} == {*ENV, "MINE"}


@pytest.mark.parametrize("argv", SHELLS.values(), ids=SHELLS)
def test_what_is_not_there_is_left_to_docker(argv: list[str]) -> None:
    assert told(argv, Invocation(("/no/such",))).refused
    assert told(argv, Invocation(("./no/such",))).refused
    assert told(argv, Invocation(("bin/no-such",), working_dir="/")).refused
    assert told(argv, Invocation(("true",), working_dir="/no/such")).refused
    assert not told(argv, Invocation(("bin/sh", "-c", ":"), working_dir="/")).refused
    assert not told(argv, Invocation(("true",), working_dir="/")).refused


def test_an_answer_is_over_where_a_frame_ends() -> None:
    """What a process that is ended says late comes in pieces, and the next answer after it."""
    marker = new_marker()
    mark = f"\0{marker}".encode()
    read = ShellOutput(lambda _: None, marker)
    (whole,) = frames(mark + b"on\n" + mark + b"0\n", b"", 1 << 16)
    (errors,) = frames(b"", mark * 2, 1 << 16)
    (late,) = frames(b"late", b"", 1 << 16)
    read.feed(whole + errors + late[:5])
    assert (read.code, read.is_over) == (0, False)
    read.feed(late[5:])
    assert read.is_over


def test_what_no_shell_can_be_told() -> None:
    plain = Invocation(("true",), b"x\n", {"A": "b"}, "/pfs")
    assert can_run(plain, plain.env)
    assert not can_run(plain, {"a.b": "c"})
    assert not can_run(plain, {"UID": "1"})
    assert not can_run(Invocation(("true",), b"no newline"), {})
    assert not can_run(Invocation(("true",), b"\0\n"), {})
