"""When data moves, what is computed from it gets a commit of the same commit set, still open.

Runs once, at the end of a transaction, so that several changes make one commit downstream. See
https://docs.pachyderm.com/latest/learn/glossary/global-id/.
"""

from __future__ import annotations

from pachlocal.pfs import branches, commits
from pachlocal.pfs.names import SPEC
from pachlocal.pfs.records import OriginKind
from pachlocal.pfs.transaction import Transaction


def propagate(tx: Transaction) -> None:
    """Open a commit on every branch downstream of those that changed, inputs before outputs.

    Its provenance is, for each branch that it is computed from, that branch's head: the commit of
    this set where the branch is part of it, an older one otherwise.
    """
    connection = tx.connection
    renewed = {key for key in tx.renewed if branches.exists(connection, key)}
    affected = set(renewed)
    for changed in (*tx.moved, *renewed):
        affected.update(branches.downstream(connection, changed))
    for key in sorted(affected, key=lambda branch: branches.depth(connection, branch)):
        if key in renewed:
            branches.renew_head(tx, key)
            continue
        info = branches.by_key(connection, key)
        if all(source.repo.type == SPEC for source in info.direct_provenance):
            continue  # a spout's output: nobody's data makes it
        head = branches.head(connection, key)
        if head is not None and head.name.id == tx.id:
            continue
        commit = commits.insert(tx, info.name, parent=head, origin=OriginKind.AUTO)
        for source in branches.direct_provenance(connection, key):
            source_head = branches.head(connection, source)
            if source_head is not None:
                commits.add_provenance(tx, commit, source_head.key)
        branches.set_head(tx, key, commit, moved=False)
        tx.appeared.append(commit)
    tx.moved.clear()
    tx.renewed.clear()
