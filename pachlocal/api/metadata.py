"""metadata.API: edits of the keys and values that users attach to what there is."""

from __future__ import annotations

from collections.abc import Callable

from pachlocal.api import pickers
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError, PachError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, metadata, repos
from pachlocal.pfs.history.metadata import BRANCH, COMMIT, PROJECT, REPO, Target
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pps.tables import pipelines
from pachlocal.proto import metadata_pb2
from pachlocal.storage.database import Connection


class MetadataApi:
    """metadata.API."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files

    def edit_metadata(
        self, request: metadata_pb2.EditMetadataRequest, context: Context
    ) -> metadata_pb2.EditMetadataResponse:
        """Make edits, all or none."""
        with self._files.transaction() as tx:
            for number, edit in enumerate(request.edits):
                try:
                    _apply(tx, edit)
                except PachError as error:
                    raise type(error)(f"edit #{number}: {error}") from error
        return metadata_pb2.EditMetadataResponse()


def _apply(tx: Transaction, edit: metadata_pb2.Edit) -> None:
    target = _target(tx.connection, edit)
    operation = edit.WhichOneof("op")
    if operation == "add_key":
        metadata.add(tx, target, edit.add_key.key, edit.add_key.value)
    elif operation == "edit_key":
        metadata.edit(tx, target, edit.edit_key.key, edit.edit_key.value)
    elif operation == "delete_key":
        metadata.delete(tx, target, edit.delete_key.key)
    elif operation == "replace":
        metadata.replace(tx, target, edit.replace.replacement)
    else:
        raise InvalidArgumentError("validate request: an edit must have an operation")


def _target(connection: Connection, edit: metadata_pb2.Edit) -> Target:
    find: dict[str | None, Callable[[], Target]] = {
        "cluster": lambda: metadata.cluster(connection),
        "project": lambda: Target(
            PROJECT, repos.inspect_project(connection, pickers.project(edit.project)).key
        ),
        "repo": lambda: Target(REPO, repos.key(connection, pickers.repo(edit.repo))),
        "branch": lambda: Target(BRANCH, branches.key_of(connection, pickers.branch(edit.branch))),
        "commit": lambda: Target(COMMIT, pickers.commit(connection, edit.commit).key),
        "pipeline": lambda: Target(
            pipelines.TABLE, pipelines.inspect(connection, *pickers.pipeline(edit.pipeline)).key
        ),
    }
    kind = edit.WhichOneof("target")
    if kind not in find:
        raise InvalidArgumentError("validate request: an edit must have a target")
    return find[kind]()
