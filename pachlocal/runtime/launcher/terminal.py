"""A command on the user's own terminal, in the place where a worker's commands run."""

from __future__ import annotations

import os
import sys

from . import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Become a command.

    Arguments of the program: whether to make a mount namespace (`none`, or anything else); an empty
    folder for the new root; where the command starts; how many words name the folders to show, and
    these as pairs of path and source; then the command's words.
    """
    isolation, root, folder, count, *rest = sys.argv[1:]
    binds, cmd = rest[: int(count)], rest[int(count) :]
    try:
        if isolation != "none" and sys.platform == "linux":
            from . import namespaces

            namespaces.leave(own_pids=False)
            shown = dict(zip(binds[::2], binds[1::2], strict=True))
            namespaces.change_root(root, shown, own_pids=False)
        os.chdir(folder)
        env = dict(os.environb) | {b"PWD": os.fsencode(folder)}
        argv = [os.fsencode(word) for word in cmd]
        program = programs.find(argv[0], env.get(b"PATH", os.fsencode(os.defpath)))
        os.execve(program, argv, env)  # noqa: S606 - a command is what the user asks for
    except OSError as error:
        sys.exit(f"pachlocal: {cmd[0]} in {folder}: {error.strerror}")
    except programs.StartError as error:
        print(f"pachlocal: {error}", file=sys.stderr)
        sys.exit(error.code)
