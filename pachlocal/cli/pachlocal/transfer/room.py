"""Room for what is imported: nothing that is there is written over unasked."""

from __future__ import annotations

import grpc

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachlocal.transfer.manifest import Manifest
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2


def make_room(session: Session, project: str, manifest: Manifest, *, replace: bool) -> None:
    """See that the names of an export are free, and its project there.

    Args:
        session: The call's session.
        project: Where it goes.
        manifest: The export.
        replace: Delete repos and pipelines of these names.

    Raises:
        CliError: They are taken, and `replace` isn't set; or others read them.
    """
    _ensure_project(session, project)
    taken = [name for name in manifest.names if _exists(session, _repo(project, name))]
    if not taken:
        return
    if not replace:
        named = ", ".join(f"{project}/{name}" for name in taken)
        raise CliError(
            f"already at {session.server.address}: {named}; --replace deletes what is there first, "
            "--project puts the export elsewhere"
        )
    for name in taken:
        _refuse_readers(session, _repo(project, name), manifest.names)
    outputs_first = [it.name for it in reversed(manifest.pipelines)]
    for name in (*outputs_first, *(it.name for it in manifest.repos)):
        pipeline = pps_pb2.Pipeline(name=name, project=pfs_pb2.Project(name=project))
        session.server.pps.DeletePipeline(pps_pb2.DeletePipelineRequest(pipeline=pipeline))
        session.server.pfs.DeleteRepo(
            pfs_pb2.DeleteRepoRequest(repo=_repo(project, name), force=True)  # or triggers keep it
        )


def _repo(project: str, name: str) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=name, type="user", project=pfs_pb2.Project(name=project))


def _ensure_project(session: Session, name: str) -> None:
    request = pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name=name))
    try:
        session.server.pfs.CreateProject(request)
    except grpc.RpcError as error:
        if status_of(error) is not grpc.StatusCode.ALREADY_EXISTS:
            raise


def _exists(session: Session, repo: pfs_pb2.Repo) -> bool:
    try:
        session.server.pfs.InspectRepo(pfs_pb2.InspectRepoRequest(repo=repo))
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.NOT_FOUND:
            return False
        raise
    return True


def _refuse_readers(session: Session, repo: pfs_pb2.Repo, names: list[str]) -> None:
    """Refuse to delete a repo that others than those of the export are computed from."""
    for info in session.server.pfs.ListBranch(pfs_pb2.ListBranchRequest(repo=repo)):
        for reader in info.subvenance:
            elsewhere = reader.repo.project.name != repo.project.name
            if reader.repo.type == "user" and (elsewhere or reader.repo.name not in names):
                raise CliError(
                    f"{reader.repo.project.name}/{reader.repo.name} reads {repo.name}, which "
                    "would be replaced; nothing was changed"
                )
