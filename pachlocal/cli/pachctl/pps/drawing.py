"""The command that draws a project's pipelines and the repos they read."""

from __future__ import annotations

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.printing.dag import Node, draw
from pachlocal.proto import pfs_pb2, pps_pb2
from pachlocal.proto.inputs import leaves
from pachlocal.untrusted import printable


@command("pipeline")
@click.option(
    "-c", "--commit", default="", metavar="ID", help="Show them as they were at this commit."
)
@click.option(
    "--box-width",
    type=click.IntRange(min=1),
    metavar="N",
    help="Characters in a box; longer names are cut.  [default: as many as needed]",
)
@click.option(
    "--edge-height",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="Lines between boxes.  [default: as many as needed]",
)
@project_option
@pass_session
def draw_pipeline(
    session: Session, commit: str, box_width: int | None, edge_height: int, project: str | None
) -> None:
    """Draw a project's DAG: repos in rounded boxes, pipelines in square ones."""
    name = session.project(project)
    request = pps_pb2.ListPipelineRequest(
        details=True,
        commit_set=pfs_pb2.CommitSet(id=commit),
        projects=[pfs_pb2.Project(name=name)],
    )
    repos: dict[str, Node] = {}
    pipelines: dict[str, Node] = {}
    for info in session.server.pps.ListPipeline(request):
        parents = []
        for leaf in leaves(info.details.input):
            # Cron inputs of old servers name no project: it is the pipeline's.
            parent = f"{leaf.project or name}/{leaf.repo}"
            repos[parent] = Node(_label(parent, name), rounded=True)
            parents.append(parent)
        key = f"{info.pipeline.project.name}/{info.pipeline.name}"
        pipelines[key] = Node(_label(key, name), parents=tuple(parents))
    print(
        draw(repos | pipelines, box_width=box_width or 0, edge_height=edge_height),
        end="",
    )


def _label(key: str, project: str) -> str:
    return printable(key.removeprefix(f"{project}/"))
