"""The service pfs_v2.API."""

from pachlocal.api.pfs.commits import CommitCalls
from pachlocal.api.pfs.files import FileCalls
from pachlocal.api.pfs.repos import RepoCalls


class PfsApi(RepoCalls, CommitCalls, FileCalls):
    """All calls of pfs_v2.API that are served."""
