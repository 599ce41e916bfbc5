"""Jobs and datums that users name by less than a whole ID."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pachlocal.cli.pachctl.client.failures import call_error, status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.references import JobReference, is_id
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2

LATEST = "latest"
_PREFIX = re.compile(r"[0-9a-f]{4,63}")
_DATUM_ID = re.compile(r"[0-9a-f]{64}")


def find_job(session: Session, reference: JobReference, project: str) -> pps_pb2.Job:
    """Return the job that is meant by an ID, its beginning, a branch of the output, or @latest.

    What is nothing of that is left for the server to refuse.

    Raises:
        CliError: Several jobs' IDs begin so, or the pipeline has no job yet.
    """
    pipeline = pps_pb2.Pipeline(name=reference.pipeline, project=pfs_pb2.Project(name=project))
    named = pps_pb2.Job(pipeline=pipeline, id=reference.id)
    if is_id(reference.id):
        return named
    request = pps_pb2.ListJobRequest(pipeline=pipeline, history=-1)
    if reference.id == LATEST:
        request.number = 1
        for info in session.server.pps.ListJob(request):
            return pps_pb2.Job(pipeline=pipeline, id=info.job.id)
        raise CliError(f"pipeline {reference.pipeline} has no job yet")
    if _PREFIX.fullmatch(reference.id):
        ids = (info.job.id for info in session.server.pps.ListJob(request))
        if found := _only(ids, reference.id, "jobs"):
            return pps_pb2.Job(pipeline=pipeline, id=found)
    repo = pfs_pb2.Repo(name=reference.pipeline, type="user", project=pipeline.project)
    branch = pfs_pb2.Branch(name=reference.id, repo=repo)
    try:
        head = session.server.pfs.InspectBranch(pfs_pb2.InspectBranchRequest(branch=branch)).head
    except call_error() as error:
        if status_of(error).name not in ("NOT_FOUND", "INVALID_ARGUMENT", "UNKNOWN"):
            raise
        return named
    return pps_pb2.Job(pipeline=pipeline, id=head.id)


def find_datum(session: Session, job: pps_pb2.Job, id_: str) -> pps_pb2.Datum:
    """Return the datum of a job that is meant by an ID or its beginning.

    Raises:
        CliError: Several begin so.
    """
    named = pps_pb2.Datum(job=job, id=id_)
    if _DATUM_ID.fullmatch(id_) or not _PREFIX.fullmatch(id_):
        return named
    request = pps_pb2.ListDatumRequest(job=job)
    ids = (info.datum.id for info in session.server.pps.ListDatum(request))
    if found := _only(ids, id_, "datums"):
        named.id = found
    return named


def _only(ids: Iterable[str], beginning: str, kind: str) -> str:
    found = {id_ for id_ in ids if id_.startswith(beginning)}
    if len(found) > 1:
        raise CliError(f"the IDs of {len(found)} {kind} begin with {beginning}: give more of it")
    return found.pop() if found else ""
