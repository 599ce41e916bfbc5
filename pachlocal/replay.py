"""Reruns a datum from a capsule, without a server. Run by `pachlocal replay`."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pachlocal.capsule import Capsule, unpack
from pachlocal.cli.program import run
from pachlocal.errors import PachError
from pachlocal.replay_shell import open_shell
from pachlocal.runtime.contract import Invocation, WorkerSpec
from pachlocal.runtime.environments.shelf import default_place
from pachlocal.runtime.process import ProcessRuntime
from pachlocal.runtime.stages import Stages, folder_of
from pachlocal.runtime.worker import ProcessWorker
from pachlocal.untrusted import printable

_FAILED = 1
_INTERRUPTED = 130  # 128 + the signal's number, as a shell reports it


def main(argv: Sequence[str] | None = None) -> int:
    """Replay a capsule; return the command's exit code."""
    arguments = _parse(argv)
    try:
        return _replay(arguments)
    except PachError as error:
        _say(f"pachlocal: {error}")
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _say(f"pachlocal: {name}{error.strerror or error}")
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _FAILED


def _replay(arguments: argparse.Namespace) -> int:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="pachlocal-replay-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        inputs = folder / "pfs"
        inputs.mkdir()
        packed = folder / "code"
        packed.mkdir()
        capsule = unpack(arguments.capsule, inputs, arguments.unpack_limit, packed)
        stages = Stages([arguments.compose] if arguments.compose else [])
        # A user's own shell has the user's own variables; the command has a container's.
        env = os.environ if arguments.shell else None
        is_packed = bool(capsule.code) and not arguments.live
        shown = packed if is_packed else None
        runtime = ProcessRuntime(
            folder / "scratch",
            stages,
            env,
            environments=default_place(),
            rewrite_paths=arguments.rewrite_paths,
        )
        stack.callback(runtime.close)
        _install(runtime, capsule, shown, shell=arguments.shell)
        worker = runtime.open_worker(WorkerSpec("replay", capsule.image, code=shown))
        stack.callback(worker.close)
        _lay_out(capsule, inputs, worker.pfs)
        _introduce(capsule, runtime, stages, is_packed=is_packed)
        code = _open_shell(worker, capsule, folder) if arguments.shell else _run(worker, capsule)
        if arguments.keep:
            _keep(worker.pfs)
        return code


def _install(runtime: ProcessRuntime, capsule: Capsule, code: Path | None, *, shell: bool) -> None:
    """Make what the code asks to have installed; what builds packages may run code of theirs.

    Raises:
        PachError: It can't be made, or nothing is to run before the user says so.
    """
    missing = runtime.missing(capsule.image, code)
    if missing and shell:
        raise PachError(
            f"{missing[0]} isn't there, and to make it may run code of the capsule: replay it "
            "without --shell first"
        )
    for what in missing:
        _say(f"making {what}")
    runtime.prepare(capsule.image, lambda: False, code=code)


def _lay_out(capsule: Capsule, inputs: Path, pfs: Path) -> None:
    for child in inputs.iterdir():
        child.rename(pfs / child.name)
    (pfs / "out").mkdir()
    lines = "".join(f"{name}={value}\n" for name, value in capsule.env.items())
    (pfs / ".env").write_text(lines)


def _introduce(
    capsule: Capsule, runtime: ProcessRuntime, stages: Mapping[str, Path], *, is_packed: bool
) -> None:
    _say(f"datum {capsule.datum} of job {capsule.job}, there: {capsule.state}")
    if capsule.reason:
        _say(f"it ran because: {capsule.reason}")
    if is_packed:
        _say(f"image {capsule.image}: the code that ran there, {capsule.code[:12]}")
    else:
        _introduce_folder(capsule, stages)
    _say(runtime.describe())
    for name in capsule.withheld:
        if name not in os.environ:
            _say(f"{name} was left out as a secret: set it if the command needs it")


def _introduce_folder(capsule: Capsule, stages: Mapping[str, Path]) -> None:
    stage = folder_of(stages, capsule.image)
    where = stage or "in no compose.yaml here, so that the programs of this machine run"
    _say(f"image {capsule.image}: {where}")


def _run(worker: ProcessWorker, capsule: Capsule) -> int:
    if capsule.batching:
        _say("it asks for its datums itself, which isn't possible here: use --shell")
        return _FAILED
    _say(f"$ {shlex.join(capsule.cmd)}")
    outcome = worker.run(_invocation(capsule, capsule.cmd), lambda line: print(line, flush=True))
    if outcome.error is not None:
        _say(outcome.error)
    _say(f"exit code {outcome.exit_code}{_verdict(capsule, outcome.exit_code)}")
    for path, size in _results(worker.pfs / "out"):
        _say(f"/pfs/out/{path} ({size} bytes)")
    return outcome.exit_code


def _verdict(capsule: Capsule, code: int) -> str:
    return ", which counts as success" if code in capsule.accepted else ""


def _results(out: Path) -> Iterator[tuple[str, int]]:
    for place in sorted(out.rglob("*")):
        if place.is_file():
            yield place.relative_to(out).as_posix(), place.stat().st_size


def _open_shell(worker: ProcessWorker, capsule: Capsule, folder: Path) -> int:
    _say("this shell is yours, and nothing of the capsule has run. In it")
    _say("  ./run              runs the command, as the job did:")
    _say(f"                     {shlex.join(capsule.cmd)}")
    _say("  ./run COMMAND ...  runs another one in its place, with its variables")
    seen = worker.as_seen(Invocation(("/pfs",)))
    _say(f"  {seen.cmd[0]:<18} has its inputs, and is for its outputs")
    return open_shell(worker, _invocation(capsule, capsule.cmd), folder / "shell")


def _invocation(capsule: Capsule, cmd: tuple[str, ...]) -> Invocation:
    return Invocation(
        cmd=cmd,
        stdin="".join(f"{line}\n" for line in capsule.stdin).encode(),
        env=capsule.env,
        working_dir=capsule.working_dir,
        timeout_s=capsule.timeout_s,
    )


def _keep(pfs: Path) -> None:
    kept = Path(tempfile.mkdtemp(prefix="pachlocal-kept-"))
    shutil.move(pfs, kept / "pfs")
    pfs.mkdir()  # it is the worker's, who removes it
    _say(f"kept: {kept / 'pfs'}")


def _say(line: str) -> None:
    """Tell about the replay; standard output is the command's.

    What a capsule says might be meant for the terminal: some terminals can be made to type.
    """
    print(printable(line), file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pachlocal.replay", description=__doc__)
    parser.add_argument("capsule", type=Path, help="what `pachctl debug datum` has written")
    parser.add_argument("--shell", action="store_true", help="open a shell, don't run the command")
    parser.add_argument("--keep", action="store_true", help="keep /pfs, and say where")
    parser.add_argument("--unpack-limit", type=int, help="bytes that the inputs may take")
    parser.add_argument("--compose", type=Path, help="compose.yaml that says what images hold")
    parser.add_argument(
        "--live", action="store_true", help="run the code of compose.yaml, not what is packed"
    )
    parser.add_argument(
        "--rewrite-paths", action="store_true", help="as where the kernel allows no namespaces"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run("pachlocal", main))
