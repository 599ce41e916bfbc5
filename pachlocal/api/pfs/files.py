"""Calls about files."""

from __future__ import annotations

import os
import tarfile
from collections import deque
from collections.abc import Iterator
from itertools import islice

from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.api import handover, wire
from pachlocal.api.message_runs import sends_runs
from pachlocal.api.pfs.modifying import Modifying
from pachlocal.api.service import Context
from pachlocal.errors import InvalidArgumentError, UnsupportedError
from pachlocal.pfs.files import files, resolve
from pachlocal.pfs.history import commits, repos
from pachlocal.pfs.history.names import META
from pachlocal.pfs.history.records import CommitInfo
from pachlocal.pfs.tree import content
from pachlocal.pfs.tree.content import Reader
from pachlocal.pfs.tree.entries import Entry
from pachlocal.pfs.upkeep import check
from pachlocal.pps.planning.zombies import results, zombies
from pachlocal.proto import pfs_pb2

_MAX_REVERSED = 100_000  # entries, as on the real server
_MESSAGE = 512 * 1024  # bytes; measured: larger ones are not faster, and cost memory
_TAR_RECORD = 512  # bytes, the unit that a tar is padded to
_GATHERED = 256 * 1024  # bytes
_NO_URL = "getting to a URL is not served yet: get it to a folder"


class FileCalls(Modifying):
    """pfs_v2.API: files."""

    def modify_file(self, requests: Iterator[pfs_pb2.ModifyFileRequest], context: Context) -> Empty:
        """Change files, all at once when the stream ends; one that breaks off changes nothing."""
        first = next(requests, None)
        if first is None or first.WhichOneof("body") != "set_commit":
            raise InvalidArgumentError("first message must be a commit")
        target = wire.commit_name(first.set_commit)
        del first  # a client may take its time until the next
        with self.files.modify(*target) as modification:
            self.modify(modification, requests, context)
        return Empty()

    def get_file(self, request: pfs_pb2.GetFileRequest, context: Context) -> Iterator[BytesValue]:
        """Yield a file's bytes; an empty file is one empty message, which old clients wait for.

        When they go to an open file, an empty message is yielded now and then.
        """
        objects, info = self._readable(request.file, context)
        if request.URL:
            yield from self._hand_out(objects, info, request)
            return
        found = files.find_file(objects, info, request.file.path).content
        sent = False
        for piece in content.read(objects, found, request.offset):
            sent = True
            yield from _messages(piece)
        if not sent:
            yield BytesValue()

    def _hand_out(
        self, objects: Reader, info: CommitInfo, request: pfs_pb2.GetFileRequest
    ) -> Iterator[BytesValue]:
        if not request.URL.startswith(f"{handover.SCHEME}:"):
            raise UnsupportedError(_NO_URL)
        with self.sources.handover.opened(request.URL) as file:
            found = files.find_file(objects, info, request.file.path).content
            start = os.lseek(file, 0, os.SEEK_CUR)
            for end in content.pour(
                objects,
                found,
                request.offset,
                lambda position, data: handover.write(file, start + position, data),
            ):
                os.lseek(file, start + end, os.SEEK_SET)  # the client sees how far it is
                yield BytesValue()

    def get_file_tar(
        self, request: pfs_pb2.GetFileRequest, context: Context
    ) -> Iterator[BytesValue]:
        """Yield a plain tar of all that a glob matches; its names are absolute, its modes 0."""
        if request.URL:
            raise UnsupportedError(_NO_URL)
        objects, info = self._readable(request.file, context)
        found = files.files_below(objects, info, request.file.path)
        for piece in _gathered(self._tar(_in_range(found, request.path_range))):
            yield from _messages(piece)

    def _tar(self, found: Iterator[tuple[str, Entry]]) -> Iterator[bytes]:
        for path, entry in found:
            yield _tar_header(path, entry)
            if not entry.is_folder:
                yield from content.read(self.files.objects, entry.content)
                yield bytes(-entry.size % _TAR_RECORD)
        yield bytes(2 * _TAR_RECORD)

    def inspect_file(
        self, request: pfs_pb2.InspectFileRequest, context: Context
    ) -> pfs_pb2.FileInfo:
        """Return a file or folder."""
        objects, info = self._readable(request.file, context)
        path, entry = files.inspect_file(objects, info, request.file.path)
        return wire.Wire(context).file_info(info, path, entry)

    @sends_runs
    def list_file(
        self, request: pfs_pb2.ListFileRequest, context: Context
    ) -> Iterator[pfs_pb2.FileInfo]:
        """Yield the entries of a folder in byte order; nothing for a path that isn't there."""
        objects, info = self._readable(request.file, context)
        return self._infos(info, self._listed(objects, info, request), context)

    def listed(
        self, request: pfs_pb2.ListFileRequest, context: Context
    ) -> Iterator[tuple[str, Entry]]:
        """Yield what `list_file` yields, as (path, entry)."""
        return self._listed(*self._readable(request.file, context), request)

    def _listed(
        self, objects: Reader, info: CommitInfo, request: pfs_pb2.ListFileRequest
    ) -> Iterator[tuple[str, Entry]]:
        found = files.list_files(objects, info, request.file.path)
        return _page(found, request)

    @sends_runs
    def walk_file(
        self, request: pfs_pb2.WalkFileRequest, context: Context
    ) -> Iterator[pfs_pb2.FileInfo]:
        """Yield a path and all below it in byte order."""
        objects, info = self._readable(request.file, context)
        found = files.walk_files(objects, info, request.file.path)
        return self._infos(info, _page(found, request), context)

    @sends_runs
    def glob_file(
        self, request: pfs_pb2.GlobFileRequest, context: Context
    ) -> Iterator[pfs_pb2.FileInfo]:
        """Yield what a glob matches in byte order."""
        objects, info = self._readable(pfs_pb2.File(commit=request.commit), context)
        found = files.glob_files(objects, info, request.pattern)
        found = _in_range(found, request.path_range)
        return self._infos(info, found, context)

    @sends_runs
    def diff_file(
        self, request: pfs_pb2.DiffFileRequest, context: Context
    ) -> Iterator[pfs_pb2.DiffFileResponse]:
        """Yield what differs between two paths; without an old one, from the parent commit."""
        answer = wire.Wire(context)
        old: CommitInfo | None
        objects, new = self._readable(request.new_file, context)
        old_path = request.old_file.path
        if request.HasField("old_file") and request.old_file.HasField("commit"):
            objects, old = self._readable(request.old_file, context, objects)
        else:
            old_path = request.new_file.path
            with self.files.snapshot() as connection:
                old = commits.parent_of(connection, new)
        for after, new_at, before, old_at in files.diff_files(
            objects, new, request.new_file.path, old, old_path
        ):
            message = pfs_pb2.DiffFileResponse()
            if after is not None:
                message.new_file.CopyFrom(answer.file_info(new, new_at, after))
            if before is not None and old is not None:
                message.old_file.CopyFrom(answer.file_info(old, old_at, before))
            yield message

    def fsck(
        self, request: pfs_pb2.FsckRequest, context: Context
    ) -> Iterator[pfs_pb2.FsckResponse]:
        """Yield what is damaged, nothing in a sound store; then zombies, if asked for."""
        suspects = self._suspects(request)
        for problem in check.fsck(self.files):
            yield pfs_pb2.FsckResponse(error=problem)
        for commit in suspects:
            for problem in zombies(self.files, commit):
                yield pfs_pb2.FsckResponse(error=problem)

    def _suspects(self, request: pfs_pb2.FsckRequest) -> list[CommitInfo]:
        """Return the commits in which zombies are to be looked for."""
        with self.files.snapshot() as connection:
            if request.HasField("zombie_target"):
                target = resolve.resolve(connection, *wire.commit_name(request.zombie_target))
                repos.key(connection, target.name.repo.of_type(META))  # as a pipeline's has
                return [target]
            return results(connection) if request.zombie_all else []

    def _infos(
        self, info: CommitInfo, found: Iterator[tuple[str, Entry]], context: Context
    ) -> Iterator[pfs_pb2.FileInfo]:
        return wire.Wire(context).file_infos(info, found)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces: the number of messages is what takes time."""
    together: list[bytes] = []
    size = 0
    for piece in pieces:
        together.append(piece)
        size += len(piece)
        if size >= _GATHERED:
            yield b"".join(together)
            together, size = [], 0
    yield b"".join(together)


def _messages(piece: bytes) -> Iterator[BytesValue]:
    """Cut a piece into messages that gRPC moves fast."""
    for start in range(0, len(piece), _MESSAGE):
        yield BytesValue(value=piece[start : start + _MESSAGE])


def _page(
    found: Iterator[tuple[str, Entry]],
    request: pfs_pb2.ListFileRequest | pfs_pb2.WalkFileRequest,
) -> Iterator[tuple[str, Entry]]:
    """Return the page of a listing that is asked for."""
    marker = request.paginationMarker.path
    if request.reverse:
        if not 0 < request.number <= _MAX_REVERSED:
            raise InvalidArgumentError(
                f"number must be from 1 to {_MAX_REVERSED} when listing in reverse"
            )
        before = (item for item in found if not marker or item[0] < marker)
        return reversed(deque(before, maxlen=request.number))
    after = (item for item in found if item[0] > marker) if marker else found
    return islice(after, wire.limit(request.number))


def _in_range(
    found: Iterator[tuple[str, Entry]], bounds: pfs_pb2.PathRange
) -> Iterator[tuple[str, Entry]]:
    for path, entry in found:
        if path >= bounds.lower and (not bounds.upper or path < bounds.upper):
            yield path, entry


def _tar_header(path: str, entry: Entry) -> bytes:
    header = tarfile.TarInfo(path)
    header.mode = 0
    if entry.is_folder:
        header.type = tarfile.DIRTYPE
    else:
        header.size = entry.size
    return header.tobuf(tarfile.PAX_FORMAT)
