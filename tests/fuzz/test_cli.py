"""Whatever a command line holds, a command that fails says why in a line, and no traceback.

FUZZ_COMMANDS says how many are run; FUZZ_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import grpc
import pytest
from walkthrough.machine import Daemon, environment

from fuzz.commands import Command, Commands, shown
from fuzz.forks import TIMED_OUT, Forks, Result
from fuzz.world import World

pytestmark = pytest.mark.slow

COMMANDS = int(os.environ.get("FUZZ_COMMANDS", "800"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.randrange(1, 10**9)  # noqa: S311
_REFRESH = 50  # commands
_DEADLINE_S = 30.0
_PATIENCE_S = 1.0  # with what may wait for ever
_NOT_FOR_PEOPLE = re.compile(
    r"Traceback|NoneType|invalid literal for|has no attribute|object at 0x|<class|codec can't"
    r"|[a-z](Error|Exception)\b|internal error|Exceeds the limit|Exception ignored|fault of"
)


def test_no_command_line_makes_a_command_fail_in_an_unforeseen_way(
    daemon: Daemon, tmp_path: Path
) -> None:
    print(f"FUZZ_SEED={SEED}")
    with grpc.insecure_channel(daemon.address) as channel:
        problems = list(_problems(channel, daemon, tmp_path, SEED, COMMANDS))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    assert "Traceback" not in daemon.log


def _problems(
    channel: grpc.Channel, daemon: Daemon, folder: Path, seed: int, count: int
) -> Iterator[str]:
    chance = random.Random(seed)  # noqa: S311
    world = World(channel, chance)
    home = folder / "home"
    home.mkdir()
    cwd = folder / "down" / "here"
    cwd.mkdir(parents=True)
    env = {
        **environment(home),
        "PACHD_ADDRESS": daemon.env["PACHD_ADDRESS"],
        "PACHLOCAL_ROOT": str(home / "store"),
        "HOME": str(home),
        "TMPDIR": str(home),
        "EDITOR": "true",
        "PAGER": "cat",
    }
    try:
        with Forks(home) as forks:
            for number, command in enumerate(islice(Commands(chance, world), count)):
                if number % _REFRESH == 0:
                    world.refresh()
                    _lay_out(cwd)
                timeout_s = _PATIENCE_S if command.may_wait else _DEADLINE_S
                result = forks.run(
                    command.words, cwd=cwd, env=env, stdin=command.stdin, timeout_s=timeout_s
                )
                if problem := _problem(command, result):
                    yield f"Command {number}: {problem}\n  {shown(command.words)}"
    finally:
        _end_daemons(folder, daemon)


def _problem(command: Command, result: Result) -> str:
    """Returns what is wrong with how a command ended, or nothing."""
    text = result.stderr.decode(errors="replace")
    if result.code == TIMED_OUT:
        return "" if command.may_wait else f"no end; {text[-2000:]}"
    if found := _NOT_FOR_PEOPLE.search(text):
        return f"{found[0]!r}: {text[-2000:]}"
    if result.code < 0:
        return f"ended by signal {-result.code}"
    if result.code == 0:
        return ""
    said = re.sub(r"\AUsage: (.*\n)+\n", "", text).splitlines()
    if not said and not result.stdout:
        return f"exit code {result.code} without a word"
    # A file of many specifications has an error for each, and notes come before what went wrong.
    notes = ("warning: ", "WARNING: ", "note: ", "error: ")
    reasons = [line for line in said if not line.startswith(notes)]
    if len(reasons) > 1 or not all(map(str.isprintable, said)):
        return f"not one line: {text[:1000]!r} … {text[-1000:]!r}"
    return ""


def _lay_out(cwd: Path) -> None:
    """Makes the files that command lines name."""
    (cwd / "spec.json").write_text('{"pipeline": {"name": "p1"}, "input": {"pfs": {"glob": 5}}}')
    (cwd / "deep.json").write_text("[" * 100_000)
    (cwd / "binary").write_bytes(bytes(range(256)))
    (cwd / "capsule").write_bytes(b"\x1f\x8b\x08\0 no archive")
    (cwd / "folder").mkdir(exist_ok=True)
    (cwd / "folder" / "a").write_text("a")


def _end_daemons(folder: Path, mine: Daemon) -> None:
    for note in folder.rglob("daemon.json"):
        if note.parent != mine.root:
            os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
