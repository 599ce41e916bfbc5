"""Makes, lists and removes the environments of stages. Run by `pachlocal environment`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pachlocal.cli import program
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import size, span
from pachlocal.errors import CliError, ImageUnavailableError, InvalidArgumentError
from pachlocal.runtime.environment import container_environment, interpreter_environment
from pachlocal.runtime.environments.keeper import Environments
from pachlocal.runtime.environments.shelf import Shelf, default_place
from pachlocal.runtime.stages import COMPOSE, load_stages


def main(argv: Sequence[str] | None = None) -> int:
    """Do one of the three; return the exit code."""
    parser = argparse.ArgumentParser(prog="pachlocal environment", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    make_parser = commands.add_parser("make", help="make what stages ask for")
    make_parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    make_parser.add_argument("--quiet", action="store_true", help="print their folders alone")
    state_parser = commands.add_parser("state", help="print as JSON what is there of it")
    state_parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    commands.add_parser("list", help="list what is there")
    remove_parser = commands.add_parser("remove", help="remove what is there")
    remove_parser.add_argument("keys", nargs="*", metavar="ENVIRONMENT")
    arguments = parser.parse_args(argv)
    shelf = Shelf(default_place())
    if arguments.what == "list":
        return _list(shelf)
    if arguments.what == "remove":
        return _remove(shelf, arguments.keys)
    environments = Environments(shelf, interpreter_environment(container_environment(os.environ)))
    try:
        if arguments.what == "state":
            return _state(environments, arguments.folders or [Path()])
        return _make(environments, arguments.folders or [Path()], quiet=arguments.quiet)
    finally:
        environments.close()


def _make(environments: Environments, folders: Iterable[Path], *, quiet: bool) -> int:
    """Print a line for each environment that the stages in folders ask for.

    Args:
        environments: Makes them.
        folders: The folders.
        quiet: Print where each is, once, and nothing else.
    """
    failed = 0
    seen: set[Path] = set()
    for stage in _stages(folders):
        begun = time.monotonic()
        try:
            found = environments.asked(stage, stage.name)
            environments.prepare(stage, stage.name, lambda: False, _progress)
        except ImageUnavailableError as error:
            _progress("")
            print(f"pachlocal: {error}", file=sys.stderr)
            failed = 1
            continue
        _progress("")
        took = f"made in {time.monotonic() - begun:.1f} s"
        for it in found:
            how = "there already" if it.is_there else took
            how = "the same" if it.place in seen else how
            if not quiet:
                print(f"{stage.name}: {it.name}: {how}: {it.place}", flush=True)
            elif it.place not in seen:
                print(it.place, flush=True)
            seen.add(it.place)
        if not found and not quiet:
            print(f"{stage.name}: nothing to be made", flush=True)
    return failed


def _progress(text: str) -> None:
    """Show what is being done, on a terminal, until the next line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[: _width()]}", end="", file=sys.stderr, flush=True)


def _width() -> int:
    return os.get_terminal_size(sys.stderr.fileno()).columns - 1


def _state(environments: Environments, folders: Iterable[Path]) -> int:
    found: list[tuple[str, str, bool]] = []
    for stage in _stages(folders):
        try:
            for it in environments.asked(stage, stage.name):
                found.append((stage.name, it.name, it.is_there))
        except ImageUnavailableError as error:
            raise CliError(str(error)) from error
    print(json.dumps(found))
    return 0


def _stages(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the stage folders: those given, or of the compose.yaml in one."""
    for folder in folders:
        compose = next((folder / name for name in COMPOSE if (folder / name).is_file()), None)
        if not folder.is_dir():
            raise CliError(f"{folder} isn't a folder")
        if compose is None:
            yield folder.absolute()
            continue
        try:
            stages = load_stages(compose)
        except InvalidArgumentError as error:
            raise CliError(str(error)) from error
        yield from dict.fromkeys(stage for stage in stages.values() if stage.is_dir())


def _list(shelf: Shelf) -> int:
    table = Table("ENVIRONMENT\tOF\tSIZE\tLAST USED")
    for it in shelf.kept():
        what = f"{it.facts.get('language', '')}, {it.facts.get('source', '')}"
        used = f"{span(time.time() - it.used)} ago"
        table.row(it.key, what, size(_bytes(it.place)), used, closed=False)
    table.flush()
    print(f"They are in {shelf.place}", file=sys.stderr)
    return 0


def _remove(shelf: Shelf, keys: Sequence[str]) -> int:
    """Remove environments by the beginnings of their names, or all; keep those in use."""
    kept = list(shelf.kept())
    failed = 0
    for key in keys:
        if not any(it.key.startswith(key) for it in kept):
            raise CliError(f"there is no environment {key}")
    for it in kept:
        if keys and not it.key.startswith(tuple(keys)):
            continue
        if shelf.remove(it.key):
            print(f"removed {it.key}")
        else:
            print(f"pachlocal: {it.key} is in use", file=sys.stderr)
            failed = 1
    return failed


def _bytes(folder: Path) -> int:
    """Return the disk that a folder takes."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(above, name)).st_blocks * 512  # noqa: PTH118
            except FileNotFoundError:
                continue
    return total


def _explain(error: Exception) -> str | None:
    return str(error) if isinstance(error, CliError) else None


if __name__ == "__main__":
    sys.exit(program.run("pachlocal", main, _explain))
