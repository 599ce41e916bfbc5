"""Topics of help: what a repo, a commit and the rest are, and which commands are about them."""

from __future__ import annotations

from typing import Any

import click

from pachlocal.cli.pachctl.options import CONTEXT_SETTINGS

_TEXTS = {
    "branch": "A branch names the newest commit of a line of commits, as in git: training@master. "
    "It may depend on branches of other repos (its provenance): a new commit there "
    "creates one here, which is how pipelines run.",
    "commit": "A commit is a state of a repo that never changes once it is finished. Changes "
    "in an open commit become visible all at once. Commits that one change causes in other repos "
    "have its ID, as do their jobs.",
    "datum": "A datum is the smallest part of a job's work: the input files that one run of the "
    "pipeline's command sees. The glob of an input says how its files form datums. A datum that "
    "was processed before is skipped.",
    "defaults": "Defaults apply where a pipeline specification sets nothing: those of a project "
    "override those of the cluster, and the specification overrides both.",
    "file": "A file is a path with content in a commit: training@master:/iris.csv. Its content is "
    "stored once, however many commits have it.",
    "job": "A job is a pipeline's work on one commit set: it processes the datums that are new or "
    "changed, and writes a commit of the output repo. Its name is PIPELINE@ID.",
    "object": "Objects hold the content of files; users needn't manage them. pachctl fsck checks "
    "the store.",
    "pipeline": "A pipeline runs a command, in an image, on each change of its input repos, and "
    "writes to a repo with its own name. A specification in JSON or YAML describes it.",
    "project": "A project is a namespace for repos and pipelines that belong together. Commands "
    "use the project that --project or the active context names.",
    "repo": "A repo holds versioned files, like a git repository: commits, on branches. "
    "Pipelines read repos, and each writes to one.",
    "secret": "A secret is a set of names and values that pipelines may use without their "
    "specifications showing them.",
    "transaction": "A transaction makes several changes at once: commits started and finished in "
    "the same transaction have the same ID, so pipelines that read several of them run once.",
}


class Topic(click.Command):
    """A command that only explains the term that it is named after."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            context_settings={**CONTEXT_SETTINGS, "ignore_unknown_options": True},
            params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
            help=_TEXTS[name],
            add_help_option=True,
        )

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write none: there is nothing to run; see click.Command."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands that are about it; see click.Command."""
        root = ctx.find_root().command
        if not isinstance(root, click.Group):
            return
        rows = []
        for verb in root.list_commands(ctx):
            group = root.get_command(ctx, verb)
            if isinstance(group, click.Group) and self.name in group.list_commands(ctx):
                found = group.get_command(ctx, self.name)
                text = found.get_short_help_str(limit=80) if found is not None else ""
                rows.append((f"{verb} {self.name}", text))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Print the help; words behind the name are most likely meant the other way round."""
        words: tuple[str, ...] = ctx.params["words"]
        root = ctx.find_root().command
        if words:
            verb = root.get_command(ctx, words[0]) if isinstance(root, click.Group) else None
            known = isinstance(verb, click.Group) and self.name in verb.list_commands(ctx)
            hint = f' Did you mean "{words[0]} {self.name}"?' if known else ""
            raise click.UsageError(f'There is no command "{self.name} {words[0]}".{hint}', ctx)
        click.echo(ctx.get_help())


def topic(name: str) -> Topic | None:
    """Return the topic of a name, which may be in the plural."""
    for found in (name, name.removesuffix("s"), name.removesuffix("es")):
        if found in _TEXTS:
            return Topic(found)
    return None
