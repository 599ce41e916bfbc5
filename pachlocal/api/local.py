"""The service pachlocal.v1.Local: what one machine can do that a cluster's API doesn't have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from google.protobuf.empty_pb2 import Empty

from pachlocal.api.changes import ChangeCalls
from pachlocal.api.code import CodeCalls
from pachlocal.api.dag import DagCalls
from pachlocal.api.explaining import Explaining
from pachlocal.api.pfs import PfsApi
from pachlocal.api.planning import Planning
from pachlocal.api.pps import PpsApi
from pachlocal.api.room import makes_room
from pachlocal.api.service import Context
from pachlocal.api.timing import Timing
from pachlocal.api.waiting_calls import Steps, waits
from pachlocal.pfs.tree.entries import Entry
from pachlocal.pfs.upkeep.collection import collect_garbage
from pachlocal.proto import local_pb2, pfs_pb2

_ENTRIES = 1000  # in a message: some 100 KB


class LocalApi(ChangeCalls, CodeCalls, DagCalls, Explaining, Planning, Timing):
    """pachlocal.v1.Local."""

    def __init__(self, pfs: PfsApi, pps: PpsApi) -> None:
        self.pfs = pfs
        self.pps = pps
        self.files = pfs.files

    def modify_files(
        self, requests: Iterator[local_pb2.ModifyFilesRequest], context: Context
    ) -> Empty:
        """Change files as ModifyFile does."""
        each = chain.from_iterable(request.requests for request in requests)
        return self.pfs.modify_file(each, context)

    def list_files(
        self, request: pfs_pb2.ListFileRequest, context: Context
    ) -> Iterator[local_pb2.ListFilesResponse]:
        """Yield the entries of a folder as ListFile does."""
        found = self.pfs.listed(request, context)
        while batch := list(islice(found, _ENTRIES)):
            yield local_pb2.ListFilesResponse(files=_files(batch))

    @waits
    def read_logs(
        self, request: local_pb2.ReadLogsRequest, context: Context
    ) -> Steps[local_pb2.ReadLogsResponse]:
        """Yield the texts of log lines."""
        return self.pps.read_logs(request, context)

    def inspect_handover(self, request: Empty, context: Context) -> local_pb2.HandoverInfo:
        """Say where open files are taken."""
        handover = self.pfs.sources.handover
        return local_pb2.HandoverInfo(socket=handover.socket, url_prefix=handover.url_prefix)

    @makes_room
    def collect_garbage(
        self, request: local_pb2.CollectGarbageRequest, context: Context
    ) -> local_pb2.CollectGarbageResponse:
        """Free what no commit reaches."""
        garbage = collect_garbage(self.pfs.files, dry_run=request.dry_run)
        return local_pb2.CollectGarbageResponse(
            objects=garbage.objects, size_bytes=garbage.size, complete=garbage.complete
        )


def _files(batch: Iterable[tuple[str, Entry]]) -> Iterator[local_pb2.ListedFile]:
    for path, entry in batch:
        type_ = pfs_pb2.DIR if entry.is_folder else pfs_pb2.FILE
        yield local_pb2.ListedFile(path=path, type=type_, size_bytes=entry.size, hash=entry.hash)
