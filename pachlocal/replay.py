"""Runs a datum from a capsule again, without a server. Started by `pachlocal replay`."""

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
from pachlocal.errors import PachError
from pachlocal.runtime.contract import Invocation, WorkerSpec
from pachlocal.runtime.process import ProcessRuntime
from pachlocal.runtime.stages import folder_of, load_stages
from pachlocal.runtime.worker import ProcessWorker

_FAILED = 1
_INTERRUPTED = 130  # 128 + the signal's number, as a shell reports it


def main(argv: Sequence[str] | None = None) -> int:
    """Replay a capsule; return the command's exit code."""
    arguments = _parse(argv)
    try:
        return _replay(arguments)
    except PachError as error:
        print(f"pachlocal: {error}", file=sys.stderr)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"pachlocal: {name}{error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _FAILED


def _replay(arguments: argparse.Namespace) -> int:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="pachlocal-replay-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        inputs = folder / "pfs"
        inputs.mkdir()
        capsule = unpack(arguments.capsule, inputs)
        stages = load_stages(arguments.compose) if arguments.compose else {}
        runtime = ProcessRuntime(folder / "scratch", stages, rewrite_paths=arguments.rewrite_paths)
        worker = runtime.open_worker(WorkerSpec("replay", capsule.image))
        stack.callback(worker.close)
        _lay_out(capsule, inputs, worker.pfs)
        _introduce(capsule, runtime, stages)
        run = _open_shell if arguments.shell else _run
        code = run(worker, capsule)
        if arguments.keep:
            _keep(worker.pfs)
        return code


def _lay_out(capsule: Capsule, inputs: Path, pfs: Path) -> None:
    for child in inputs.iterdir():
        child.rename(pfs / child.name)
    (pfs / "out").mkdir()
    lines = "".join(f"{name}={value}\n" for name, value in capsule.env.items())
    (pfs / ".env").write_text(lines)


def _introduce(capsule: Capsule, runtime: ProcessRuntime, stages: Mapping[str, Path]) -> None:
    _say(f"datum {capsule.datum} of job {capsule.job}, there: {capsule.state}")
    if capsule.reason:
        _say(f"it ran because: {capsule.reason}")
    stage = folder_of(stages, capsule.image)
    where = stage or "in no compose.yaml here, so that the programs of this machine run"
    _say(f"image {capsule.image}: {where}")
    _say(runtime.describe())
    for name in capsule.withheld:
        if name not in os.environ:
            _say(f"{name} was left out as a secret: set it if the command needs it")


def _run(worker: ProcessWorker, capsule: Capsule) -> int:
    if capsule.batching:
        _say("it asks for its datums by itself, which nobody answers here: --shell lets you look")
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


def _open_shell(worker: ProcessWorker, capsule: Capsule) -> int:
    _say("the command, to be run from this shell:")
    _say(f"  {shlex.join(capsule.cmd)}")
    if capsule.stdin:
        _say("its standard input:")
        for line in capsule.stdin:
            _say(f"  {line}")
    shell = os.environ.get("SHELL") or "/bin/sh"
    return worker.interact(_invocation(capsule, (shell,)))


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
    """Tell about the replay; standard output is the command's."""
    print(line, file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pachlocal.replay", description=__doc__)
    parser.add_argument("capsule", type=Path, help="what `pachctl debug datum` has written")
    parser.add_argument("--shell", action="store_true", help="open a shell, don't run the command")
    parser.add_argument("--keep", action="store_true", help="keep /pfs, and say where")
    parser.add_argument("--compose", type=Path, help="compose.yaml that says what images hold")
    parser.add_argument(
        "--rewrite-paths", action="store_true", help="as where the kernel allows no namespaces"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
