"""Opens the user's own shell in place of a datum's command, which can be started from it.

Nothing that came with the datum may run before the user says so. So the shell has the variables of
the user, none of the datum's (`PROMPT_COMMAND`, `ENV`, `LD_PRELOAD`, `HOME` and many others would
have programs run), and starts in a folder of its own: a prompt that asks `git` for the state of the
current folder has `git` read the settings of a repository there, and run what they say.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pachlocal.errors import InvalidArgumentError
from pachlocal.runtime.contract import Invocation
from pachlocal.runtime.invocation_check import refuse
from pachlocal.runtime.worker import ProcessWorker

_RUN = """\
#!/bin/sh
# Runs the datum's command as its job did; with arguments, runs these in its place.
CDPATH= cd -- {folder} || exit
if [ $# -eq 0 ]; then
    set -- {command}
    exec <{stdin}
fi
exec env -- {variables} "$@"
"""


def open_shell(worker: ProcessWorker, invocation: Invocation, folder: Path) -> int:
    """Run the user's shell on this process's terminal, until it ends.

    Args:
        worker: Whose `/pfs` it sees.
        invocation: The datum's command, which is not run: `./run` does that.
        folder: A folder to be made, for that script.

    Returns:
        The shell's exit code.

    Raises:
        InvalidArgumentError: The command can't be run anywhere.
    """
    refusal = refuse(invocation)
    if refusal is not None:
        raise InvalidArgumentError(refusal.error or "")
    given = worker.as_seen(invocation)
    folder.mkdir(mode=0o700)
    stdin = folder / "stdin"
    stdin.write_bytes(given.stdin)
    run = folder / "run"
    run.write_text(
        _RUN.format(
            folder=shlex.quote(given.working_dir or "/"),
            command=shlex.join(given.cmd),
            stdin=shlex.quote(str(stdin)),
            variables=shlex.join(f"{name}={value}" for name, value in given.env.items()),
        ),
        encoding="utf-8",
    )
    run.chmod(0o700)
    return worker.interact((os.environ.get("SHELL") or "/bin/sh",), folder)
