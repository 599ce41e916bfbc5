"""A change of the store: all or nothing, and one commit set for all the commits that it makes.

Only what branch triggers set going at its end has a commit set of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pachlocal.pfs.history.names import new_id
from pachlocal.storage.database import Connection


@dataclass(slots=True)
class Transaction:
    """An open write transaction.

    Attributes:
        connection: Where the writes go.
        id: The ID of every commit made in it: of the commit set.
        now: Its time, for all that it records (ns since 1970).
        moved: The branches whose heads have moved, by row; what is downstream of them gets new
            commits when the transaction ends.
        renewed: The branches with a new provenance, by row; they get a commit that shows it, then.
        finished: The commits that were finished without error, by row; branches may follow them.
        appeared: The commits opened downstream, by row, in topological order.
        fired: The IDs of the commit sets that branch triggers have made at its end.
    """

    connection: Connection
    id: str = field(default_factory=new_id)
    now: int = field(default_factory=time.time_ns)
    moved: list[int] = field(default_factory=list)
    renewed: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    appeared: list[int] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
