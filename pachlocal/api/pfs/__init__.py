"""The service pfs_v2.API."""

from pachlocal.api.pfs.commits import CommitCalls
from pachlocal.api.pfs.files import FileCalls
from pachlocal.api.pfs.filesets import FileSetCalls
from pachlocal.api.pfs.repos import RepoCalls
from pachlocal.api.pfs.sources import Sources
from pachlocal.pfs.filesystem import FileSystem


class PfsApi(RepoCalls, CommitCalls, FileCalls, FileSetCalls):
    """All calls of pfs_v2.API that are served."""

    def __init__(self, files: FileSystem, sources: Sources) -> None:
        self.files = files
        self.sources = sources
