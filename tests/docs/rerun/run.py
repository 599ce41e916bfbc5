"""One page on one store."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.walkthrough.machine import ANY_PORT, ROOT, Daemon, workshop_copy

from .normal import shown
from .page import Block, blocks, rewritten
from .shell import Shell


def rerun(page: Path) -> str:
    """Runs a page's commands from its first to its last; returns the page as it should be.

    Raises:
        BlockError: A command does not end as the page says.
    """
    text = page.read_text()
    with _store(up=not any("pachlocal up" in block.commands for block in blocks(text))) as run:

        def run_where_it_belongs(block: Block) -> str:
            if not block.alone:
                return run(block)
            with _store(up=True) as run_alone:
                return run_alone(block)

        return rewritten(text, run_where_it_belongs)


@contextmanager
def _store(*, up: bool) -> Iterator[Callable[[Block], str]]:
    """Gives what runs blocks in one shell, on a store that ends with it.

    Args:
        up: The daemon runs already; else the commands start it.
    """
    with tempfile.TemporaryDirectory(prefix="pachlocal-page-") as name:
        folder = Path(name).resolve()
        daemon = Daemon(folder / "store", place=workshop_copy(folder / "iris"))
        if up:
            daemon.start()
        env = {
            **daemon.env,
            "PACHLOCAL_ROOT": str(daemon.root),
            "PACHLOCAL_ADDRESS": ANY_PORT,
            "TMPDIR": str(folder),
        }
        del env["PACHLOCAL_NO_CONSOLE"]  # a page shows what its reader sees
        places = {
            str(daemon.root): "~/.local/share/pachlocal",
            **dict.fromkeys((str(daemon.place), str(ROOT)), "~/iris"),
        }
        note = daemon.root / "daemon.json"
        try:
            with Shell(daemon.place, env) as shell:

                def run(block: Block) -> str:
                    output = shell.run(block)
                    if note.exists():  # the page's reader has the usual port
                        address = json.loads(note.read_text())["address"]
                        shell.run(Block(0, f"export PACHD_ADDRESS={address}", 0, ""))
                    return shown(output, places)

                yield run
        finally:
            daemon.end()
