"""Command lines made up from the tree of commands: some odd in a word, some in all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import click

from fuzz import odd
from fuzz.world import World
from pachlocal.cli.pachctl.root import pachctl
from pachlocal.cli.pachlocal import cli

_ODDNESS = (0.0, 0.1, 0.1, 0.3, 1.0)  # of each word, by chance
_LONGEST = 20_000  # bytes of a word; the kernel takes 128 KiB
_NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "99999999999999999999",
    "-9223372036854775808",
    "9223372036854775807",
]
_NO_NUMBERS = ["", "x", "1.5", "1e3", "0x10", " 5", "1_0", "٣", "²", "NaN", "9" * 5_000, "-"]
_TIMES = ["1s", "1h30m", "-1s", "0", "1", "9" * 400 + "s", "1e9h", "99999999999h", "s", "1ns", "٣s"]
# What a command reads or writes on this machine stays in its folder: no other path is made up.
_LOCAL = [
    "spec.json",
    "deep.json",
    "binary",
    "folder",
    "none",
    "none/none",
    "-",
    "",
    ".",
    "capsule",
]
_ODD_LOCAL = [
    b"\xff",
    b"\xff.json",
    b"a" * 300,
    b"a/" * 3_000,
    b"a\nb",
    b"/dev/null",
    b"/dev/null/x",
]
_LOCAL_NAMES = {
    *("output", "input_file", "compose", "root", "share", "folder", "mapping", "editor", "specs"),
    *("capsule", "source_file", "paths_file"),
}
_WAITING = {"wait", "subscribe", "subscribe-commit", "flush-commit", "next", "dev", "console"}


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        words: Its words, the program first.
        stdin: What comes in.
        may_wait: Whether it may run for ever, as asked.
    """

    words: tuple[bytes, ...]
    stdin: bytes
    may_wait: bool


def leaves() -> Iterator[tuple[list[str], click.Command]]:
    """Yields the words that call each command, and the command."""
    for name, group in (("pachctl", pachctl), ("pachlocal", cli)):
        yield from _below([name], group, click.Context(group, info_name=name))


def _below(
    words: list[str], group: click.Group, context: click.Context
) -> Iterator[tuple[list[str], click.Command]]:
    names = [*group.list_commands(context), *getattr(group, "_unlisted", ())]
    for name in dict.fromkeys(names):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            below = click.Context(command, info_name=name, parent=context)
            yield from _below([*words, name], command, below)
        else:
            yield [*words, name], command


class Commands:
    """Makes up command lines."""

    def __init__(self, random: Random, world: World) -> None:
        self._random = random
        self._world = world
        self._oddness = 0.0
        self._leaves = list(leaves())

    def __iter__(self) -> Iterator[Command]:
        """Yields command lines for ever, each command as often as the others."""
        while True:
            self._random.shuffle(self._leaves)
            for words, command in self._leaves:
                yield self._line(words, command)

    def _line(self, words: list[str], command: click.Command) -> Command:
        self._oddness = self._random.choice(_ODDNESS)
        line = [word.encode() for word in words]
        may_wait = bool(_WAITING.intersection(words))
        for param in command.params:
            if isinstance(param, click.Argument):
                line.extend(self._argument(param))
            elif isinstance(param, click.Option) and self._wanted(param):
                may_wait |= param.name in ("follow", "block")
                line.extend(self._option(param))
        if self._is_odd(0.1):
            line.append(self._random.choice([b"--nothing", b"-Z", b"--", b"extra", b"\xff", b""]))
        stdin = self._random.choice([b"", b"y\n", b"text\n", b"\xff\0", self._spec().encode()])
        return Command(tuple(word[:_LONGEST] for word in line), stdin, may_wait)

    def _wanted(self, option: click.Option) -> bool:
        if option.name in ("foreground", "shell"):  # stay, or ask a person
            return False
        if option.name in ("yes", "root"):
            return True
        return self._random.random() < (0.9 if option.required else 0.15 + self._oddness / 2)

    def _option(self, option: click.Option) -> list[bytes]:
        name = self._random.choice(option.opts).encode()
        if option.is_flag:
            return [name]
        value = self._value(option)
        joined = name.startswith(b"--") and self._random.random() < 0.3
        return [name + b"=" + value] if joined else [name, value]

    def _argument(self, argument: click.Argument) -> list[bytes]:
        count = self._random.choice([0, 1, 2, 5]) if argument.nargs == -1 else argument.nargs
        if self._is_odd(0.1):
            count = self._random.choice([0, 1, 3])
        elif not argument.required and self._random.random() < 0.5:
            count = 0
        return [self._value(argument) for _ in range(count)]

    def _value(self, param: click.Parameter) -> bytes:
        if self._is_local(param):
            if param.name == "root" or not self._is_odd(1.0):
                return self._random.choice(_LOCAL).encode()
            return self._random.choice(_ODD_LOCAL)
        return self._odd(param) if self._is_odd(1.0) else self._fitting(param).encode()

    def _is_local(self, param: click.Parameter) -> bool:
        if isinstance(param.type, click.Path) or param.name in _LOCAL_NAMES:
            return True
        return isinstance(param, click.Option) and param.name in ("file", "files", "sources")

    def _odd(self, param: click.Parameter) -> bytes:
        if isinstance(param.type, (click.types.IntParamType, click.IntRange)):
            return self._random.choice([*_NUMBERS, *_NO_NUMBERS]).encode()
        if self._random.random() < 0.3:
            return self._random.choice([*_TIMES, *_NUMBERS, *_NO_NUMBERS]).encode()
        text = odd.encoded(odd.string(self._random)).replace(b"\0", b"")  # no argument can have it
        if self._random.random() < 0.5:
            return (
                self._reference(param.type).encode() + self._random.choice([b"", b"@", b":"]) + text
            )
        return text

    def _fitting(self, param: click.Parameter) -> str:
        if isinstance(param.type, click.Choice):
            return str(self._random.choice(list(param.type.choices)))
        if isinstance(param.type, (click.types.IntParamType, click.IntRange)):
            return self._random.choice(_NUMBERS[:4])
        if param.name in ("timeout", "since"):
            return self._random.choice(_TIMES[:2])
        if param.name == "address":
            return self._random.choice(["127.0.0.1:1", "grpc://127.0.0.1:1", "localhost:1"])
        if param.name == "project":
            return self._random.choice(["default", "side", "none"])
        return self._reference(param.type)

    def _reference(self, type_: click.ParamType) -> str:
        names = self._world.names
        repo, branch = (self._random.choice(names[name]) for name in ("repo", "branch"))
        pipeline = self._random.choice(names["Pipeline.name"])
        forms = {
            "REPO": [repo],
            "REPO@BRANCH": [f"{repo}@{branch}"],
            "PIPELINE@JOB-ID": [f"{pipeline}@{self._random.choice(names['Job.id'] or ['x'])}"],
        }
        for form, made in forms.items():
            if type_.name == form:
                return made[0]
        if "@" in type_.name:
            path = self._random.choice(names["path"])
            commit = self._random.choice(names["Commit.id"])
            return self._random.choice([f"{repo}@{branch}:{path}", f"{repo}@{commit}"])
        return self._random.choice([repo, branch, pipeline, *forms["PIPELINE@JOB-ID"]])

    def _spec(self) -> str:
        return json.dumps(self._world.spec())

    def _is_odd(self, share: float) -> bool:
        return self._random.random() < self._oddness * share


def shown(words: tuple[bytes, ...]) -> str:
    """Returns a command line for people."""
    return " ".join(repr(os.fsdecode(word[:200])) for word in words)
