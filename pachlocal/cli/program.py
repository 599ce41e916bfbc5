"""How our programs run and end: whatever goes wrong is said in one line, and shows in the code."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

Explain: TypeAlias = Callable[[Exception], "str | None"]
Unraisable: TypeAlias = "Callable[[sys.UnraisableHookArgs], Any]"

_INTERRUPTED = 130  # 128 + the signal's number, as a shell reports it
_PIPE_CLOSED = 141
_AGAIN_S = 0.01  # until an interrupt that was lost comes again


def run(name: str, program: Callable[[], int], explain: Explain = lambda _: None) -> int:
    """Run a program to its end.

    Args:
        name: Its name.
        program: What it does; returns its exit code.
        explain: Says what an exception means in this program; None where it doesn't know.

    Returns:
        The exit code.
    """
    # gRPC's core would write its own lines to stderr, beside ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    _open_streams()
    usual = sys.unraisablehook
    sys.unraisablehook = partial(_interrupt_again, usual)
    try:
        code = _run(name, program, explain)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_output()  # the reader has gone (`| head`)
        return _PIPE_CLOSED
    except OSError as problem:
        _forget_output()
        return _say(name, _explain(problem))
    finally:
        sys.unraisablehook = usual
    return code


def _run(name: str, program: Callable[[], int], explain: Explain) -> int:
    try:
        return program()
    except BrokenPipeError:
        raise
    except Exception as problem:
        line = explain(problem) or _explain(problem)
    sys.stdout.flush()  # what was printed comes before what went wrong
    return _say(name, line)


def invoke(command: Any, name: str, argv: Sequence[str], obj: object = None) -> int:
    """Run one command of a program.

    Args:
        command: The program, a click.Command.
        name: Its name.
        argv: The words after its name.
        obj: What commands find in their context.

    Returns:
        The exit code.
    """
    import click

    try:
        with command.make_context(name, list(argv), obj=obj) as context:
            command.invoke(context)
    except click.exceptions.NoArgsIsHelpError as question:
        print(question.format_message())
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return _say(name, "nothing was done: the question was not answered with yes")
    except click.UsageError as problem:
        print(_usage(problem), file=sys.stderr)
        return problem.exit_code
    except click.ClickException as problem:
        return _say(name, problem.format_message())
    return 0


def _open_streams() -> None:
    """Let all three standard streams be there, and none fail because of a letter.

    One that was closed by whoever started us is opened so that to use it is an error, and before
    another file gets its number.
    """
    for number, (name, flags, mode) in enumerate(
        (
            ("stdin", os.O_WRONLY, "r"),
            ("stdout", os.O_RDONLY, "w"),
            ("stderr", os.O_WRONLY, "w"),  # there is nobody to be told
        )
    ):
        stream = getattr(sys, name)
        if stream is None:
            descriptor = os.open(os.devnull, flags)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream = open(number, mode, closefd=False)  # noqa: SIM115 - a descriptor
            setattr(sys, name, stream)
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks "≤" is no reason to fail.
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


def _interrupt_again(usual: Unraisable, lost: sys.UnraisableHookArgs) -> None:
    """Interrupt the program once more, if the interrupt fell into a destructor or a callback.

    Python drops whatever is raised there, and the program would go on as if nothing had been asked.
    """
    if issubclass(lost.exc_type, KeyboardInterrupt):
        program = threading.main_thread().ident
        threading.Timer(_AGAIN_S, signal.pthread_kill, (program, signal.SIGINT)).start()
    else:
        usual(lost)


def _forget_output() -> None:
    """Drop what can't be written; Python would complain of it on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(name: str, line: str) -> int:
    from pachlocal.untrusted import printable

    try:
        print(f"{name}: {printable(line)}", file=sys.stderr, flush=True)
    except OSError:  # nobody can be told; the exit code says it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return 1


def _usage(problem: Any) -> str:
    """Return what click says of a click.UsageError: how the command is used, and what is wrong."""
    from pachlocal.untrusted import printable

    shown = io.StringIO()
    problem.show(shown)
    usage, sign, message = f"\n{shown.getvalue()}".partition("\nError: ")
    options = problem.ctx.command.params if problem.ctx else ()
    taken = {name for it in options for name in it.opts}
    if message.startswith("Got unexpected extra argument"):
        for name, letter in ("file", "-f"), ("pipeline", "-p"), ("job", "-j"):
            if taken >= {f"--{name}", letter}:
                message = f"{message.strip()}; if it is a {name}, name it with {letter}"
    return (usage + sign + printable(" ".join(message.split()))).lstrip("\n")


def _explain(problem: Exception) -> str:
    if isinstance(problem, OSError):
        about = f"{problem.filename}: " if problem.filename else ""
        return f"{about}{problem.strerror or problem}"
    if isinstance(problem, UnicodeEncodeError):
        return f"{problem.object!r} isn't text: it has bytes that are not UTF-8"
    import traceback

    place = traceback.extract_tb(problem.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return f"this is a fault of the program: {type(problem).__name__}: {problem} ({where})"
