"""One page on one store."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.walkthrough.machine import ANY_PORT, ROOT, Daemon

from .normal import Normal
from .page import Block, blocks, rewritten
from .shell import Shell


def rerun(page: Path) -> str:
    """Runs a page's commands from its first to its last; returns the page as it should be.

    Raises:
        BlockError: A command does not end as the page says.
    """
    with tempfile.TemporaryDirectory(prefix="pachlocal-page-") as name:
        folder = Path(name).resolve()
        text = page.read_text()
        daemon = Daemon(folder / "store")
        if not any("pachlocal up" in block.commands for block in blocks(text)):
            daemon.start()
        env = {
            **daemon.env,
            "PACHLOCAL_ROOT": str(daemon.root),
            "PACHLOCAL_ADDRESS": ANY_PORT,
            "TMPDIR": str(folder),
        }
        normal = Normal({str(daemon.root): "~/.local/share/pachlocal", str(ROOT): "~/iris"})
        try:
            with Shell(ROOT, env) as shell:

                def run(block: Block) -> str:
                    output = shell.run(block)
                    note = daemon.root / "daemon.json"
                    if note.exists():  # the page's reader has the usual port
                        address = json.loads(note.read_text())["address"]
                        shell.run(Block(0, f"export PACHD_ADDRESS={address}", 0, ""))
                    return normal(output)

                return rewritten(text, run)
        finally:
            daemon.end()
