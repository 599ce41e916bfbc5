"""Calls about projects, repos and branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import pickers, wire
from pachlocal.api.room import makes_room
from pachlocal.api.service import Context
from pachlocal.errors import FailedPreconditionError, InvalidArgumentError
from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, repos, trigger_firing
from pachlocal.pfs.history.names import USER, RepoName
from pachlocal.pps.tables import defaults, pipelines
from pachlocal.proto import pfs_pb2
from pachlocal.storage.database import Connection

_REFUSAL = "cannot delete a repo associated with a pipeline - delete the pipeline instead"
_MAX_WALK = 10_000  # branches, as on the real server
_MAX_DEPTH = 1_000


class RepoCalls:
    """pfs_v2.API: projects, repos, branches."""

    files: FileSystem

    def create_project(self, request: pfs_pb2.CreateProjectRequest, context: Context) -> Empty:
        """Create a project, or change its description."""
        with self.files.transaction() as tx:
            repos.create_project(
                tx, request.project.name, request.description, update=request.update
            )
        return Empty()

    def inspect_project(
        self, request: pfs_pb2.InspectProjectRequest, context: Context
    ) -> pfs_pb2.ProjectInfo:
        """Return a project."""
        with self.files.snapshot() as connection:
            return wire.project_info(
                repos.inspect_project(connection, wire.project_name(request.project))
            )

    def inspect_project_v2(
        self, request: pfs_pb2.InspectProjectV2Request, context: Context
    ) -> pfs_pb2.InspectProjectV2Response:
        """Return a project and its pipeline defaults."""
        with self.files.snapshot() as connection:
            info = repos.inspect_project(connection, wire.project_name(request.project))
            found = defaults.inspect(connection, info.name)
        return pfs_pb2.InspectProjectV2Response(
            info=wire.project_info(info), defaults_json=found.json
        )

    def list_project(
        self, request: pfs_pb2.ListProjectRequest, context: Context
    ) -> Iterator[pfs_pb2.ProjectInfo]:
        """Yield all projects."""
        with self.files.snapshot() as connection:
            yield from map(wire.project_info, repos.list_projects(connection))

    @makes_room
    def delete_project(self, request: pfs_pb2.DeleteProjectRequest, context: Context) -> Empty:
        """Delete a project; its pipelines and repos must be gone, `force` or not."""
        project = wire.project_name(request.project)
        with self.files.transaction() as tx:
            _refuse_pipelines(tx.connection, [project])
            repos.delete_project(tx, project)
            defaults.delete(tx, project)
        return Empty()

    def create_repo(self, request: pfs_pb2.CreateRepoRequest, context: Context) -> Empty:
        """Create a repo, or change its description."""
        with self.files.transaction() as tx:
            repo = wire.repo_name(request.repo)
            repos.create_repo(tx, repo, request.description, update=request.update)
        return Empty()

    def inspect_repo(
        self, request: pfs_pb2.InspectRepoRequest, context: Context
    ) -> pfs_pb2.RepoInfo:
        """Return a repo."""
        with self.files.snapshot() as connection:
            return wire.repo_info(repos.inspect_repo(connection, wire.repo_name(request.repo)))

    def list_repo(
        self, request: pfs_pb2.ListRepoRequest, context: Context
    ) -> Iterator[pfs_pb2.RepoInfo]:
        """Yield repos, in the order of their projects' names and their own."""
        projects = [wire.project_name(project) for project in request.projects]
        with self.files.snapshot() as connection:
            found = repos.list_repos(connection, request.type, projects)
            if request.HasField("page"):
                found = wire.page(found, request.page)
            for info in found:
                yield wire.repo_info(info)

    @makes_room
    def delete_repo(
        self, request: pfs_pb2.DeleteRepoRequest, context: Context
    ) -> pfs_pb2.DeleteRepoResponse:
        """Delete a repo; one that isn't there is no error."""
        with self.files.transaction() as tx:
            repo = wire.repo_name(request.repo)
            _refuse_output(tx.connection, repo)
            deleted = repos.delete_repo(tx, repo, force=request.force)
        return pfs_pb2.DeleteRepoResponse(deleted=deleted)

    @makes_room
    def delete_repos(
        self, request: pfs_pb2.DeleteReposRequest, context: Context
    ) -> pfs_pb2.DeleteReposResponse:
        """Delete the repos of some projects, or all; no pipeline may be left there."""
        projects = [] if request.all else [wire.project_name(it) for it in request.projects]
        deleted: list[RepoName] = []
        with self.files.transaction() as tx:
            if projects or request.all:
                _refuse_pipelines(tx.connection, projects)
                names = [info.name for info in repos.list_repos(tx.connection, USER, projects)]
                deleted = repos.delete_repos(tx, names, force=request.force)
        return pfs_pb2.DeleteReposResponse(repos=map(wire.repo_message, deleted))

    def create_branch(self, request: pfs_pb2.CreateBranchRequest, context: Context) -> Empty:
        """Create a branch, or move its head and replace its provenance."""
        trigger = wire.trigger(request.trigger) if request.HasField("trigger") else None
        if trigger is not None and request.provenance:
            raise InvalidArgumentError("a branch cannot have both provenance and a trigger")
        branch = wire.branch_name(request.branch)
        with self.files.transaction() as tx:
            head = None
            if request.HasField("head") and (request.head.id or request.head.branch.name):
                if not request.head.HasField("repo"):
                    request.head.repo.CopyFrom(request.branch.repo)
                head = resolve.resolve(tx.connection, *wire.commit_name(request.head))
            branches.create(
                tx,
                branch,
                new_head=head,
                provenance=[wire.branch_name(source) for source in request.provenance],
                never=[
                    wire.branch_name(one.branch)
                    for one in request.branch_propagation_specs
                    if one.propagation_spec.never
                ],
            )
            if trigger is not None:
                trigger_firing.attach(tx, branch, trigger)
        return Empty()

    def inspect_branch(
        self, request: pfs_pb2.InspectBranchRequest, context: Context
    ) -> pfs_pb2.BranchInfo:
        """Return a branch."""
        with self.files.snapshot() as connection:
            info = branches.inspect(connection, wire.branch_name(request.branch))
        return wire.Wire(context).branch_info(info)

    def list_branch(
        self, request: pfs_pb2.ListBranchRequest, context: Context
    ) -> Iterator[pfs_pb2.BranchInfo]:
        """Yield the branches of a repo, or of all when none is named, the newest first."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            repo = wire.repo_name(request.repo) if request.repo.name else None
            for info in branches.list_branches(connection, repo, reverse=request.reverse):
                yield answer.branch_info(info)

    @makes_room
    def delete_branch(self, request: pfs_pb2.DeleteBranchRequest, context: Context) -> Empty:
        """Delete a branch."""
        with self.files.transaction() as tx:
            branches.delete(tx, wire.branch_name(request.branch), force=request.force)
        return Empty()

    def walk_branch_provenance(
        self, request: pfs_pb2.WalkBranchProvenanceRequest, context: Context
    ) -> Iterator[pfs_pb2.BranchInfo]:
        """Yield all branches that some are computed from."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            for picker in request.start:
                start = branches.inspect(connection, pickers.branch(picker))
                for info in branches.behind(connection, start, request.max_depth or _MAX_DEPTH)[
                    : request.max_branches or _MAX_WALK
                ]:
                    yield answer.branch_info(info)

    def walk_branch_subvenance(
        self, request: pfs_pb2.WalkBranchSubvenanceRequest, context: Context
    ) -> Iterator[pfs_pb2.BranchInfo]:
        """Yield all branches that are computed from some."""
        answer = wire.Wire(context)
        with self.files.snapshot() as connection:
            for picker in request.start:
                start = branches.inspect(connection, pickers.branch(picker))
                for info in branches.ahead(connection, start, request.max_depth or _MAX_DEPTH)[
                    : request.max_branches or _MAX_WALK
                ]:
                    yield answer.branch_info(info)

    def repos_summary(
        self, request: pfs_pb2.ReposSummaryRequest, context: Context
    ) -> pfs_pb2.ReposSummaryResponse:
        """Return how many repos some projects have, and how large they are."""
        with self.files.snapshot() as connection:
            summaries = []
            for picker in request.projects:
                project = repos.inspect_project(connection, pickers.project(picker)).name
                sizes = [info.size for info in repos.list_repos(connection, USER, [project])]
                summaries.append(
                    pfs_pb2.ReposSummary(
                        project=pfs_pb2.Project(name=project),
                        user_repo_count=len(sizes),
                        size_bytes=sum(sizes),
                    )
                )
        return pfs_pb2.ReposSummaryResponse(summaries=summaries)

    @makes_room
    def delete_all(self, request: Empty, context: Context) -> Empty:
        """Delete all repos and projects; all pipelines must be gone."""
        with self.files.transaction() as tx:
            _refuse_pipelines(tx.connection)
            for info in repos.list_projects(tx.connection):
                defaults.delete(tx, info.name)
            repos.delete_all(tx)
        return Empty()


def _refuse_pipelines(connection: Connection, projects: Sequence[str] = ()) -> None:
    for info in pipelines.list_pipelines(connection, projects):
        raise FailedPreconditionError(f"{_REFUSAL}: {info.spec.project}/{info.spec.name}")


def _refuse_output(connection: Connection, repo: RepoName) -> None:
    if pipelines.find(connection, repo.project, repo.name) is not None:
        raise FailedPreconditionError(_REFUSAL)
