"""Streams of changes to files: what each message of ModifyFile does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pachlocal.api import callers, wire
from pachlocal.api.pfs.sources import Sources
from pachlocal.api.service import Context
from pachlocal.errors import CallerGoneError, InvalidArgumentError
from pachlocal.pfs.files import files, resolve
from pachlocal.pfs.files.datum_tags import files_tagged
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import commits
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree.content import Reader
from pachlocal.proto import pfs_pb2

# Small pieces are added some at a time: measured, a thread that works between two messages slows
# gRPC's own threads by more than its work takes.
_TOGETHER = 512
_SMALL = 4096  # bytes


class Modifying:
    """Applies the messages of a stream to a modification."""

    files: FileSystem
    sources: Sources

    def modify(
        self,
        modification: Modification,
        requests: Iterator[pfs_pb2.ModifyFileRequest],
        context: Context,
    ) -> None:
        """Take in a stream to its end.

        Raises:
            CallerGoneError: It broke off, so that nothing of it may count.
            PachError: A message asks for what can't be.
        """
        small: list[tuple[str, bytes, str]] = []
        for request in requests:
            body = request.WhichOneof("body")
            add = request.add_file
            if body == "add_file" and not add.HasField("url"):
                data = add.raw.value
                small.append((add.path, data, add.datum))
                if len(data) < _SMALL and len(small) < _TOGETHER:
                    continue
                del data  # messages may be large, and the next one is waited for
            modification.add_all(small)
            small.clear()
            if body == "add_file":
                if add.HasField("url"):
                    self._add_url(modification, add, context)
            elif body == "delete_file":
                modification.delete(request.delete_file.path, request.delete_file.datum)
            elif body == "copy_file":
                self._copy(modification, request.copy_file, context)
            else:
                raise InvalidArgumentError(f"unexpected message {body or 'without a body'}")
            del request, add
        modification.add_all(small)

    def _add_url(
        self, modification: Modification, request: pfs_pb2.AddFile, context: Context
    ) -> None:
        url = request.url
        modification.add(request.path, b"", request.datum)  # a wrong path fails first
        with self.sources.open(url.URL, recursive=url.recursive) as source:
            while modification.add_from(source, request.path, request.datum):
                if not context.is_active():
                    raise CallerGoneError

    def _copy(
        self, modification: Modification, request: pfs_pb2.CopyFile, context: Context
    ) -> None:
        objects, info = self._readable(request.src, context)
        _, entry = files.inspect_file(objects, info, request.src.path)
        modification.copy(
            entry, request.dst, append=request.append, tag=request.datum, nodes=objects
        )

    def _readable(
        self, file: pfs_pb2.File, context: Context, objects: Reader | None = None
    ) -> tuple[Reader, CommitInfo]:
        """Find the commit of a file; open ones show what is in them so far.

        Returns:
            The commit, with the files of one datum tag if that is named; and where its tree is,
            for as long as the caller is there.

        Raises:
            FailedPreconditionError: What is asked for can't be laid out.
        """
        objects = objects or callers.watched(self.files.objects, context)
        with self.files.snapshot() as connection:
            info = resolve.resolve(connection, *wire.commit_name(file.commit))
            whole = info.finished is not None and not info.error
            base = None if whole else commits.base_of(connection, info)
        if file.datum:
            objects, root = files_tagged(objects, info.root, file.path, file.datum)
            info = replace(info, root=root)
        if not whole:
            files.refuse_flawed(objects, base, info, file.path)
        return objects, info
