"""completion: lets a shell complete pachctl's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class, shell_complete

from pachlocal.cli.pachctl.options import command
from pachlocal.errors import CliError

# The script that a shell reads calls pachctl with this variable set.
VARIABLE = "_PACHCTL_COMPLETE"


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets a shell complete pachctl's commands and options.

    For bash and zsh, put this line into ~/.bashrc or ~/.zshrc, with the shell's name in it:
    source <(pachctl completion bash). For fish, write the script to
    ~/.config/fish/completions/pachctl.fish.
    """
    made = get_completion_class(shell)
    if made is None:
        raise CliError(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    # click's own `source` would run bash to ask for its version.
    script = made(root, {}, "pachctl", VARIABLE)
    text = script.source_template % script.source_vars()
    print(_for_references(text) if shell == "bash" else text)


def _for_references(script: str) -> str:
    """Let bash take REPO@BRANCH:PATH for one word, and put no space behind a part of one."""
    whole = 'COMP_WORDBREAKS="${COMP_WORDBREAKS//[@:]/}"\n'
    part = "    [[ ${COMPREPLY[0]} == *[@:/] ]] && compopt -o nospace\n"
    return whole + script.replace("    return 0\n", f"{part}    return 0\n", 1)


def complete(root: click.Command, instruction: str) -> int:
    """Answer a shell that asks for completions.

    Args:
        root: The program.
        instruction: What the shell has put into the variable.

    Returns:
        The exit code.
    """
    return shell_complete(root, {}, "pachctl", VARIABLE, instruction)
