"""Prepares a worker's `/pfs` for a command: removes the previous datum's files, lays out inputs.

`plain` removes and writes files. `reusing` is faster: it keeps files that are unchanged. Callers
ask for a `Layout` here and don't know which one they get. See
https://docs.pachyderm.com/latest/build-dags/pipeline-spec/transform/ for what a command sees.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pachlocal.pfs.tree.content import Reader
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.worker.layout.plain import PlainLayout

# Only Linux ends everything that a command has started, so only there nobody holds what is kept.
_REUSES = sys.platform == "linux"


class Layout(Protocol):
    """Fills the `/pfs` of one worker for one datum after the other. Belongs to one thread.

    When it fails it can't be used any more: what lies in `/pfs` then is known to nobody.
    """

    def lay_out(self, datum: Datum, env: Mapping[str, str]) -> int:
        """Empty `/pfs` and fill it for a datum; return the bytes of its files.

        Args:
            datum: Its files go to `/pfs/<input>/<path>`.
            env: What `/pfs/.env` lists, for programs that don't inherit it.

        Raises:
            OSError: Something that a command left can't be removed, or the disk is full.
        """

    def close(self) -> None:
        """Lay out no more; what is there stays."""


def layout_of(objects: Reader, pfs: Path) -> Layout:
    """Return what fills a worker's `/pfs` on this system.

    Args:
        objects: Where the content is.
        pfs: The folder that commands see as `/pfs`; what is in it is anybody's.
    """
    if not _REUSES:
        return PlainLayout(objects, pfs)
    from pachlocal.pps.worker.layout.reusing import ReusingLayout

    return ReusingLayout(objects, pfs)
