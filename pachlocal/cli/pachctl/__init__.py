"""pachctl: a client of Pachyderm's API, for a real cluster and for pachlocal alike.

A command's module is imported when the command is called, and not before: what `pachctl version`
needs is small, and a command line is only pleasant when it starts at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pachlocal.cli import program
from pachlocal.errors import CliError

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.session import Session


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; those of the process if not given.

    Returns:
        The exit code.
    """
    from pachlocal.cli.pachctl.client.session import Session

    words = list(sys.argv[1:] if argv is None else argv)
    session = Session()
    return program.run(
        "pachctl", lambda: _run(words, session), lambda problem: _explain(problem, session)
    )


def _run(argv: list[str], session: Session) -> int:
    from pachlocal.cli.pachctl.root import pachctl

    if instruction := os.environ.get("_PACHCTL_COMPLETE"):
        from pachlocal.cli.pachctl.server.completion import complete

        return complete(pachctl, instruction)
    try:
        return program.invoke(pachctl, "pachctl", argv, session)
    finally:
        session.close()


def _explain(problem: Exception, session: Session) -> str | None:
    if isinstance(problem, CliError):
        return str(problem)
    # Only commands that talk to a server have gRPC loaded; its errors are for them alone.
    grpc = sys.modules.get("grpc")
    if grpc is None or not isinstance(problem, grpc.RpcError):
        return None
    from pachlocal.cli.pachctl.client.failures import explain

    return explain(problem, session, _elsewhere)


def _elsewhere(address: str) -> str:
    from pachlocal.cli.pachlocal.elsewhere import way_to_daemon

    return way_to_daemon(address)
