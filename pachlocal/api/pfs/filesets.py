"""Calls about file sets."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import callers, wire
from pachlocal.api.pfs.modifying import Modifying
from pachlocal.api.service import Context
from pachlocal.pfs.files import filesets, resolve
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.history import commits
from pachlocal.pfs.tree import tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.proto import pfs_pb2
from pachlocal.storage.object_writer import ObjectWriter


class FileSetCalls(Modifying):
    """pfs_v2.API: file sets."""

    def create_file_set(
        self, requests: Iterator[pfs_pb2.ModifyFileRequest], context: Context
    ) -> pfs_pb2.CreateFileSetResponse:
        """Keep changes for a while, apart from any commit."""
        with (
            ObjectWriter(self.files.objects) as writer,
            Modification(writer) as modification,
        ):
            self.modify(modification, requests, context)
            return self._keep(writer, filesets.compose(writer, modification.finish()))

    def get_file_set(
        self, request: pfs_pb2.GetFileSetRequest, context: Context
    ) -> pfs_pb2.CreateFileSetResponse:
        """Keep what a commit holds, or what it changed, as a file set."""
        with self.files.snapshot() as connection:
            info = resolve.resolve(connection, *wire.commit_name(request.commit))
            parent = None
            if request.type == pfs_pb2.GetFileSetRequest.DIFF:
                parent = commits.parent_of(connection, info)
        with ObjectWriter(self.files.objects) as writer:
            changes = filesets.between(writer, parent.root if parent else None, info.root)
            return self._keep(writer, changes)

    def add_file_set(self, request: pfs_pb2.AddFileSetRequest, context: Context) -> Empty:
        """Make a file set's changes in an open commit."""
        with self.files.snapshot() as connection:
            found = filesets.inspect(connection, request.file_set_id)
        with ObjectWriter(self.files.objects) as writer, self.files.transaction() as tx:
            info = resolve.resolve(tx.connection, *wire.commit_name(request.commit))
            commits.set_root(tx, writer, info, tree.apply(writer, info.root, found.changes))
            writer.write_into(tx.connection)
        return Empty()

    def compose_file_set(
        self, request: pfs_pb2.ComposeFileSetRequest, context: Context
    ) -> pfs_pb2.CreateFileSetResponse:
        """Make one file set of several; later ones lie over earlier ones."""
        with self.files.snapshot() as connection:
            layers = [filesets.inspect(connection, id_).changes for id_ in request.file_set_ids]
        with ObjectWriter(self.files.objects) as writer:
            ttl_s = request.ttl_seconds or filesets.DEFAULT_TTL_S
            return self._keep(writer, filesets.compose(writer, layers), ttl_s)

    def renew_file_set(self, request: pfs_pb2.RenewFileSetRequest, context: Context) -> Empty:
        """Keep a file set for longer."""
        with self.files.transaction() as tx:
            filesets.renew(tx, request.file_set_id, request.ttl_seconds)
        return Empty()

    def shard_file_set(
        self, request: pfs_pb2.ShardFileSetRequest, context: Context
    ) -> pfs_pb2.ShardFileSetResponse:
        """Return path ranges that share out a file set's files."""
        with self.files.snapshot() as connection:
            root = filesets.inspect(connection, request.file_set_id).root
        ranges = filesets.shards(
            self.files.objects, root, number=request.num_files, size=request.size_bytes
        )
        return pfs_pb2.ShardFileSetResponse(
            shards=[pfs_pb2.PathRange(lower=lower, upper=upper) for lower, upper in ranges]
        )

    def check_storage(
        self, request: pfs_pb2.CheckStorageRequest, context: Context
    ) -> pfs_pb2.CheckStorageResponse:
        """Count the stored objects whose names are in a range; read them too, if that is asked for.

        Raises:
            DamagedStoreError: The bytes of one aren't what its name says.
        """
        objects = self.files.objects
        found = {
            name
            for name in objects.names()
            if request.chunk_begin <= name and (not request.chunk_end or name < request.chunk_end)
        }
        if request.read_chunk_data:
            check = callers.check(context)
            for name in found:
                check()
                objects.get(name)
        return pfs_pb2.CheckStorageResponse(chunk_object_count=len(found))

    def _keep(
        self, writer: ObjectWriter, changes: Changes, ttl_s: int = filesets.DEFAULT_TTL_S
    ) -> pfs_pb2.CreateFileSetResponse:
        writer.prepare()
        with self.files.transaction() as tx:
            id_ = filesets.create(tx, writer, changes, ttl_s)
            writer.write_into(tx.connection)
        return pfs_pb2.CreateFileSetResponse(file_set_id=id_)
