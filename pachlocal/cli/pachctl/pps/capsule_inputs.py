"""The inputs of a datum, as its command sees them below /pfs."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable
from typing import NamedTuple

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.pfs.get import StreamReader
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.proto.inputs import leaves

_CHUNK = 1024 * 1024
_SPECIAL = re.compile(r"[*?\[\]{}()!@+^\\|]")  # of glob patterns, which is what GetFileTAR takes


class DatumInput(NamedTuple):
    """A file or directory of a datum.

    Attributes:
        name: The input, a directory below /pfs.
        info: What it is.
        empty: Whether the command sees names only.
    """

    name: str
    info: pfs_pb2.FileInfo
    empty: bool


def match_inputs(input_: pps_pb2.Input, data: Iterable[pfs_pb2.FileInfo]) -> list[DatumInput]:
    """Find out which input each file of a datum comes from.

    The API doesn't say it: they come in the order of the inputs, and each from its input's repo.

    Args:
        input_: The job's input.
        data: The datum's files.

    Raises:
        CliError: A file comes from none of them.
    """
    known = list(leaves(input_))
    free = list(range(len(known)))
    found = []
    for info in data:
        fitting = [number for number, leaf in enumerate(known) if _fits(leaf, info)]
        if not fitting:
            raise CliError(f"{info.file.path} of {info.file.commit.repo.name} is of no input")
        # A repo may be read by several inputs; a group has several files of one.
        number = next((it for it in fitting if it in free), fitting[-1])
        if number in free:
            free.remove(number)
        leaf = known[number]
        empty = isinstance(leaf, pps_pb2.PFSInput) and leaf.empty_files
        found.append(DatumInput(leaf.name or leaf.repo, info, empty))
    return found


def _fits(leaf: pps_pb2.PFSInput | pps_pb2.CronInput, info: pfs_pb2.FileInfo) -> bool:
    repo = info.file.commit.repo
    project = leaf.project or repo.project.name
    return (leaf.repo, project) == (repo.name, repo.project.name)


def pack(session: Session, archive: tarfile.TarFile, item: DatumInput) -> int:
    """Add an input's files to an archive, below pfs/; return their bytes.

    Args:
        session: The call's session.
        archive: Where to.
        item: The input.
    """
    commit = item.info.file.commit
    path = _SPECIAL.sub(r"\\\g<0>", item.info.file.path.rstrip("/") or "/")
    request = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit, path=path))
    pieces = session.server.pfs.GetFileTAR(request)
    size = 0
    with TransferProgress(wanted=True, size_bytes=item.info.size_bytes) as meter:
        stream = io.BufferedReader(StreamReader(pieces, meter), _CHUNK)
        with tarfile.open(fileobj=stream, mode="r|") as source:
            for entry in source:
                if not (entry.isfile() or entry.isdir()):
                    continue
                packed = tarfile.TarInfo(f"pfs/{item.name}/{entry.name.strip('/')}".rstrip("/"))
                packed.type, packed.mode = entry.type, 0o755 if entry.isdir() else 0o644
                packed.size = 0 if item.empty or entry.isdir() else entry.size
                archive.addfile(packed, source.extractfile(entry) if packed.size else None)
                size += packed.size
    return size
