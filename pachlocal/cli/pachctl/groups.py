"""Groups of commands that are imported one by one, completed by the shell, and guessed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from pachlocal.cli.pachctl.options import CONTEXT_SETTINGS, global_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# What other programs call it.
_HABITS = {
    "add": "put",
    "apply": "update",
    "cat": "get",
    "cp": "copy",
    "describe": "inspect",
    "download": "get",
    "ls": "list",
    "mk": "create",
    "new": "create",
    "push": "put",
    "remove": "delete",
    "rm": "delete",
    "show": "inspect",
    "upload": "put",
}
_ENDINGS = ("", "s", "es", "V2")  # plural forms are as good as singular ones
_PLURALS = {"default": "defaults"}  # where the plural is the name


class LazyGroup(click.Group):
    """A group that knows where its commands are and imports them when they are called."""

    def __init__(
        self,
        *,
        places: Mapping[str, str],
        unlisted: Mapping[str, str] | None = None,
        topics: Callable[[str], click.Command | None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        """Make a group.

        Args:
            places: Where commands are, by their names.
            unlisted: The same for commands that help doesn't list.
            topics: Finds what only explains something, by its name.
            **kwargs: What click.Group takes.
        """
        super().__init__(context_settings=CONTEXT_SETTINGS, **kwargs)
        self._places = places
        self._unlisted = unlisted or {}
        self._topics = topics
        self.params.extend(global_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the alphabet."""
        return sorted([*self._places, *super().list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, importing its module."""
        place = self._place(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name) or self._topics(cmd_name)
        module, name = place.split(":")
        found: click.Command = getattr(import_module(f"pachlocal.cli.pachctl.{module}"), name)
        return found

    def _place(self, name: str) -> str | None:
        for ending in _ENDINGS:
            if name.endswith(ending) and (place := self._places.get(name.removesuffix(ending))):
                return place
        return self._places.get(_PLURALS.get(name, "")) or self._unlisted.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called.

        Raises:
            click.UsageError: There is none of this name; it says which may have been meant.
        """
        name = args[0]
        known = name.startswith("-") or self.get_command(ctx, name) is not None
        if known or ctx.resilient_parsing:
            _, found, rest = super().resolve_command(ctx, args)
            # By its own name, so that plurals have the same help.
            return found.name if found is not None else None, found, rest
        message = f'There is no command "{name}".'
        if guesses := self._guesses(ctx, args):
            message += f" Did you mean {' or '.join(guesses)}?"
        elif ctx.parent is not None:
            message += f" There are {', '.join(self.list_commands(ctx))}."
        raise click.UsageError(message, ctx)

    def _guesses(self, ctx: click.Context, args: list[str]) -> list[str]:
        name, rest = args[0], args[1:]
        verb, _, noun = name.partition("-")
        for words in ((verb, noun), (rest[0], name) if rest else ("", "")):
            group = self.get_command(ctx, words[0])
            if isinstance(group, LazyGroup) and group._place(words[1]):
                return [f'"{" ".join(words)}"']
        if name in _HABITS and self.get_command(ctx, _HABITS[name]):
            return [f'"{_HABITS[name]}"']
        import difflib

        names = [*self.list_commands(ctx), *self._unlisted]
        return [f'"{it}"' for it in difflib.get_close_matches(name, names, n=2)]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, without importing any."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        names = [*self.list_commands(ctx), *(sorted(self._unlisted) if "-" in incomplete else [])]
        items = []
        for name in names:
            if name.startswith(incomplete):
                group = self.commands.get(name)
                items.append(CompletionItem(name, help=group.get_short_help_str() if group else ""))
        return items
