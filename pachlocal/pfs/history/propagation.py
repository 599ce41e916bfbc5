"""When data moves, what is computed from it gets a commit of the same commit set, still open.

Runs once, at the end of a transaction, so that several changes make one commit downstream. See
https://docs.pachyderm.com/latest/learn/glossary/global-id/.
"""

from __future__ import annotations

from pachlocal.pfs.history import branches, commits
from pachlocal.pfs.history.names import SPEC
from pachlocal.pfs.history.records import OriginKind
from pachlocal.pfs.history.transaction import Transaction


def propagate(tx: Transaction) -> None:
    """Open a commit on every branch downstream of those that changed, inputs before outputs.

    Its provenance is, for each branch that it is computed from, that branch's head: the commit of
    this set where the branch is part of it, an older one otherwise. One that is not to follow makes
    no commit, but is seen as it is then by one that another makes.
    """
    connection = tx.connection
    renewed = {key for key in tx.renewed if branches.exists(connection, key)}
    affected = set(renewed)
    for changed in (*tx.moved, *renewed):
        affected.update(branches.reached_by_commits(connection, changed))
    for key in branches.inputs_first(connection, affected):
        if key in renewed:
            branches.renew_head(tx, key)
            continue
        sources = branches.provenance_heads(connection, key)
        if all(kind == SPEC for kind, _ in sources):
            continue  # a spout's output: nobody's data makes it
        name, head_key = branches.name_and_head(connection, key)
        head = commits.head(connection, head_key) if head_key is not None else None
        if head is not None and head.id == tx.id:
            continue
        commit = commits.insert(tx, name, parent=head, origin=OriginKind.AUTO)
        for _, source_head in sources:
            if source_head is not None:
                commits.add_provenance(tx, commit, source_head)
        branches.set_head(tx, key, commit, moved=False)
        tx.appeared.append(commit)
    tx.moved.clear()
    tx.renewed.clear()
