"""pachctl: a client of Pachyderm's API, for a real cluster and for pachlocal alike.

A command's module is imported when the command is called, and not before: what `pachctl version`
needs is small, and a command line is only pleasant when it starts at once.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from pachlocal.cli.pachctl.errors import CliError

_INTERRUPTED = 130  # 128 + the signal's number, as a shell reports it
_PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; those of the process if not given.

    Returns:
        The exit code.
    """
    # gRPC's core would write its own lines to stderr, beside ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks "≤" is no reason to fail
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`). Without this, Python would complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return code


def _run(argv: list[str]) -> int:
    import click

    from pachlocal.cli.pachctl.root import pachctl
    from pachlocal.cli.pachctl.session import Session

    if instruction := os.environ.get("_PACHCTL_COMPLETE"):
        from pachlocal.cli.pachctl.shells import complete

        return complete(pachctl, instruction)
    session = Session()
    try:
        with pachctl.make_context("pachctl", argv, obj=session) as context:
            pachctl.invoke(context)
    except click.exceptions.NoArgsIsHelpError as question:
        print(question.format_message())
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except CliError as problem:
        return _fail(str(problem))
    except BrokenPipeError:
        raise
    except OSError as problem:
        name = f"{problem.filename}: " if problem.filename else ""
        return _fail(f"{name}{problem.strerror or problem}")
    except Exception as problem:
        # Only commands that talk to a server have gRPC loaded; its errors are for them alone.
        grpc = sys.modules.get("grpc")
        if grpc is None or not isinstance(problem, grpc.RpcError):
            raise
        from pachlocal.cli.pachctl.connection import explain

        return _fail(explain(problem, session))
    finally:
        session.close()
    return 0


def _fail(line: str) -> int:
    sys.stdout.flush()  # what was printed comes before what went wrong
    print(f"pachctl: {line}", file=sys.stderr)
    return 1
