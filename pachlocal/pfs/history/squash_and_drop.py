"""Taking commits out of history: squash keeps their data in what follows, drop gives it up.

A squashed commit must have children, which hold its data; a dropped one must have none. The jobs
that made a removed commit go with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pachlocal.errors import FailedPreconditionError
from pachlocal.pfs.history import branches, commits, history
from pachlocal.pfs.history.names import SPEC
from pachlocal.pfs.history.records import CommitInfo, OriginKind
from pachlocal.pfs.history.transaction import Transaction


def squash_set(tx: Transaction, id_: str) -> None:
    """Remove the commits of a set; their children hold their data.

    Raises:
        NotFoundError: No commit has this ID.
        FailedPreconditionError: A commit has no child, an unfinished one, or another set is made
            from it.
    """
    members = _members(tx, id_)
    _check_squash(tx, members)
    _remove_all(tx, members)


def drop_set(tx: Transaction, id_: str) -> None:
    """Remove the commits of a set with their data.

    Raises:
        NotFoundError: No commit has this ID.
        FailedPreconditionError: A commit has children, or another set is made from it.
    """
    members = _members(tx, id_)
    _check_drop(members)
    _remove_all(tx, members)


def squash_commit(tx: Transaction, info: CommitInfo, *, recursive: bool) -> None:
    """Remove a commit, and all that was made from it if asked; see `squash_set`.

    Raises:
        FailedPreconditionError: As for a set; or others were made from it, and that was not asked.
    """
    doomed = _with_subvenance(tx, info, "squash", recursive=recursive)
    _check_squash(tx, doomed)
    _remove_all(tx, doomed)


def drop_commit(tx: Transaction, info: CommitInfo, *, recursive: bool) -> None:
    """Remove a commit with its data, and all that was made from it if asked; see `drop_set`.

    Raises:
        FailedPreconditionError: As for a set; or others were made from it, and that was not asked.
    """
    doomed = _with_subvenance(tx, info, "drop", recursive=recursive)
    _check_drop(doomed)
    _remove_all(tx, doomed)


def _members(tx: Transaction, id_: str) -> list[CommitInfo]:
    """Return a set's own commits, provided that no other set is made from them."""
    own = [info for info in history.commit_set(tx.connection, id_) if info.name.id == id_]
    others = {
        later.name.id
        for info in own
        for later in history.subvenance(tx.connection, info)
        if later.name.id != id_
    }
    if others:
        raise FailedPreconditionError(
            f'commit set "{id_}" cannot be dropped because it has subvenant commit sets: '
            f"{', '.join(sorted(others))}"
        )
    return own


def _with_subvenance(
    tx: Transaction, info: CommitInfo, verb: str, *, recursive: bool
) -> list[CommitInfo]:
    later = history.subvenance(tx.connection, info)
    if later and not recursive:
        raise FailedPreconditionError(
            f"cannot {verb} commit ({info.name}) with subvenance without recursive"
        )
    return [info, *later]


def _check_squash(tx: Transaction, doomed: Sequence[CommitInfo]) -> None:
    _refuse_versions(doomed)
    for info in doomed:
        if not info.children:
            raise FailedPreconditionError(
                "cannot squash a commit that has no children as that would cause data loss, "
                f"use the drop operation instead: {info.name}"
            )
        for child in info.children:
            key = commits.key_of(tx.connection, child)
            if commits.by_key(tx.connection, key).finished is None:
                raise FailedPreconditionError(
                    f"cannot squash until child commit {child} is finished"
                )


def _check_drop(doomed: Sequence[CommitInfo]) -> None:
    _refuse_versions(doomed)
    for info in doomed:
        if info.children:
            raise FailedPreconditionError(f"cannot drop a commit that has children: {info.name}")


def _refuse_versions(doomed: Sequence[CommitInfo]) -> None:
    for info in doomed:
        if info.name.repo.type == SPEC and info.origin is OriginKind.USER:
            raise FailedPreconditionError(
                f"cannot squash commit {info.name} because it updated a pipeline"
            )


def _remove_all(tx: Transaction, doomed: Sequence[CommitInfo]) -> None:
    for info in doomed:
        _remove(tx, info)


def _remove(tx: Transaction, info: CommitInfo) -> None:
    """Close the gap that a commit leaves: children get its parent, branches too."""
    parent = commits.parent_of(tx.connection, info)
    tx.connection.execute(
        "UPDATE commits SET parent_id = ? WHERE parent_id = ?",
        (parent.key if parent else None, info.key),
    )
    headless = branches.with_head(tx.connection, info.key)
    if parent is not None:
        for key in headless:
            branches.set_head(tx, key, parent.key, moved=False)
    else:
        for key in headless:
            branches.clear_head(tx, key)
    tx.connection.execute("DELETE FROM commits WHERE id = ?", (info.key,))
    if parent is None:
        for key in headless:
            branches.renew_head(tx, key)
