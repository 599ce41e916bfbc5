"""Which repos and pipelines an export holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from typing import NamedTuple

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachlocal.transfer.manifest import Pipeline
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.proto.inputs import leaves


class Selection(NamedTuple):
    """What is exported: repos with their content, and pipelines, each behind those it reads.

    A pipeline's output isn't among the repos: it is computed anew on the other side.
    """

    repos: list[pfs_pb2.RepoInfo]
    pipelines: list[Pipeline]


def select(session: Session, project: str, names: Sequence[str]) -> Selection:
    """Look up what there is.

    Args:
        session: The call's session.
        project: Its project.
        names: Repos, and pipelines, which bring along all that they read; none means everything.

    Raises:
        CliError: A name is unknown, or a pipeline can't be exported.
    """
    request = pfs_pb2.ListRepoRequest(type="user", projects=[pfs_pb2.Project(name=project)])
    repos = {info.repo.name: info for info in session.server.pfs.ListRepo(request)}
    pipelines = _pipelines(session, project)
    wanted = _with_inputs(names or repos, repos, pipelines, project)
    chosen = {name: infos for name, infos in pipelines.items() if name in wanted}
    made = {cron for infos in chosen.values() for cron in _cron_repos(infos[0])}
    order = TopologicalSorter({name: _reads(infos[0], project) for name, infos in chosen.items()})
    return Selection(
        [repos[name] for name in repos if name in wanted - made - chosen.keys()],
        [_pipeline(chosen[name]) for name in order.static_order() if name in chosen],
    )


def _pipelines(session: Session, project: str) -> dict[str, list[pps_pb2.PipelineInfo]]:
    """Return all versions of each pipeline, the newest first."""
    # A real server reads the commit set without looking whether it is there.
    request = pps_pb2.ListPipelineRequest(details=True, history=-1, commit_set=pfs_pb2.CommitSet())
    request.projects.add(name=project)
    found: dict[str, list[pps_pb2.PipelineInfo]] = {}
    for info in session.server.pps.ListPipeline(request):
        found.setdefault(info.pipeline.name, []).append(info)
    for infos in found.values():
        infos.sort(key=lambda info: info.version, reverse=True)
    return found


def _with_inputs(
    names: Iterable[str],
    repos: dict[str, pfs_pb2.RepoInfo],
    pipelines: dict[str, list[pps_pb2.PipelineInfo]],
    project: str,
) -> set[str]:
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in repos and name not in pipelines:
            raise CliError(f"repo {project}/{name} not found")
        if name not in wanted and name in pipelines:
            left += _reads(pipelines[name][0], project)
        wanted.add(name)
    return wanted


def _reads(info: pps_pb2.PipelineInfo, project: str) -> list[str]:
    found = []
    for input_ in leaves(info.details.input):
        if isinstance(input_, pps_pb2.PFSInput):
            other = input_.project or project
            if other != project:
                raise CliError(
                    f"pipeline {info.pipeline.name} reads {other}/{input_.repo}, and an export "
                    "is of one project"
                )
            found.append(input_.repo)
    return found


def _cron_repos(info: pps_pb2.PipelineInfo) -> Iterator[str]:
    """Yield the repos that a pipeline's creation makes for its cron inputs."""
    for input_ in leaves(info.details.input):
        if isinstance(input_, pps_pb2.CronInput):
            yield input_.repo or f"{info.pipeline.name}_{input_.name}"


def _pipeline(infos: list[pps_pb2.PipelineInfo]) -> Pipeline:
    newest, *earlier = infos
    return Pipeline(
        name=newest.pipeline.name,
        version=newest.version,
        stopped=newest.stopped,
        spec=_spec(newest),
        earlier={str(info.version): _spec(info) for info in earlier},
    )


def _spec(info: pps_pb2.PipelineInfo) -> dict[str, object]:
    text = info.user_spec_json or info.effective_spec_json
    if not text:
        raise CliError(f"the server doesn't return the specification of {info.pipeline.name}")
    spec: dict[str, object] = json.loads(text)
    return spec
