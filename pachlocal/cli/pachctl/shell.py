"""shell: pachctl's commands without its name, one after the other."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from pachlocal.cli.pachctl.client.state import history_file
from pachlocal.cli.pachctl.options import command

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_LINES = 1000  # of the history
_ENDS = ("exit", "quit")


@command("shell")
@click.option(
    "--max-completions",
    type=click.IntRange(min=1),
    default=64,
    metavar="N",
    help="How many to show.  [default: 64]",
)
@click.pass_context
def shell(context: click.Context, max_completions: int) -> None:
    """Read and run commands until `exit` or Ctrl-D. The tab key completes words."""
    root = context.find_root().command
    ask = _prompting(root, max_completions) if sys.stdin.isatty() else sys.stdin.readline
    failed = False
    while line := ask():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            failed = True
            print(f"pachctl: {error}", file=sys.stderr)
            continue
        if words[:1] == ["pachctl"]:
            del words[0]
        if words and words[0] in _ENDS:
            break
        if words:
            from pachlocal.cli.pachctl import main

            failed = main(words) != 0
    if failed and not sys.stdin.isatty():
        raise click.exceptions.Exit(1)


@command("exit")
def exit_() -> None:
    """Leave `pachctl shell`; elsewhere it does nothing."""


def _prompting(root: click.Command, max_completions: int) -> Callable[[], str]:
    """Return what asks for a line, with completion and history; it returns nothing at the end."""
    import atexit
    import readline

    history = history_file()
    history.parent.mkdir(parents=True, exist_ok=True)
    if history.exists():
        readline.read_history_file(history)
    readline.set_history_length(_MOST_LINES)
    atexit.register(readline.write_history_file, history)
    readline.set_completer_delims(" \t\n")
    readline.parse_and_bind("tab: complete")
    readline.set_auto_history(True)
    found: list[str] = []

    def complete(text: str, state: int) -> str | None:
        if state == 0:
            words = readline.get_line_buffer()[: readline.get_begidx()].split()
            found[:] = _completions(root, words, text)[:max_completions]
        return found[state] if state < len(found) else None

    readline.set_completer(complete)

    def ask() -> str:
        try:
            return input("pachctl> ") + "\n"
        except EOFError:
            print()
            return ""
        except KeyboardInterrupt:
            print()
            return "\n"

    return ask


def _completions(root: click.Command, words: list[str], text: str) -> list[str]:
    from click.shell_completion import ShellComplete

    items = ShellComplete(root, {}, "pachctl", "").get_completions(words, text)
    whole = [item.value for item in items if item.type == "plain"]
    return [word if word.endswith(("@", ":", "/")) else f"{word} " for word in whole]
