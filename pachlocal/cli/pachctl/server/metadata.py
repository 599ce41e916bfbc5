"""The command that notes keys and values about what there is."""

from __future__ import annotations

import ast
import json
import re

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.references import is_id
from pachlocal.proto import metadata_pb2, pfs_pb2, pps_pb2

_QUOTED = r""""(?:[^"\\]|\\.)*"|'[^']*'"""
_PAIR = re.compile(rf"\s*({_QUOTED}|[^=;\"']+)=({_QUOTED}|[^;]*)\s*(?:;|$)")
_OBJECT = re.compile(
    r"(?:(?P<project>[^/@]+)/)?(?P<repo>[^/@.]+)(?:\.(?P<type>\w+))?(?:@(?P<rest>.+))?"
)


@command("metadata")
@click.argument("edits", nargs=-1, metavar="[KIND OBJECT OPERATION DATA]...")
@project_option
@pass_session
def edit_metadata(session: Session, edits: tuple[str, ...], project: str | None) -> None:
    """Change the metadata of objects, all at once or not at all.

    KIND is cluster, project, repo, branch, commit or pipeline, and OBJECT its name: . for the
    cluster, [PROJECT/]REPO@BRANCH for a branch. OPERATION is add or edit, with KEY=VALUE, delete,
    with KEY, or replace, with a JSON object or KEY=VALUE;KEY=VALUE that replaces everything.
    """
    if len(edits) % 4:
        raise click.UsageError("Each change has four words: KIND OBJECT OPERATION DATA.")
    name = session.project(project)
    request = metadata_pb2.EditMetadataRequest(
        edits=[
            _edit(kind, thing, operation, data, name)
            for kind, thing, operation, data in zip(*(iter(edits),) * 4, strict=True)
        ]
    )
    session.server.metadata.EditMetadata(request)
    click.echo("ok", err=True)


def _edit(kind: str, name: str, operation: str, data: str, project: str) -> metadata_pb2.Edit:
    edit = _target(kind.lower(), name, project)
    if operation == "delete":
        edit.delete_key.key = data
    elif operation == "replace":
        edit.replace.replacement.update(_pairs(data))
        edit.replace.SetInParent()
    elif operation in ("add", "edit"):
        pairs = list(_pairs(data).items())
        if len(pairs) != 1:
            raise click.UsageError(f"{operation} takes one KEY=VALUE, not {data!r}.")
        into = edit.add_key if operation == "add" else edit.edit_key
        ((into.key, into.value),) = pairs
    else:
        raise click.UsageError(f"{operation!r} isn't an operation: add, edit, delete or replace.")
    return edit


def _target(kind: str, name: str, project: str) -> metadata_pb2.Edit:
    if kind == "cluster":
        return metadata_pb2.Edit(cluster=metadata_pb2.ClusterPicker())
    if kind == "project":
        return metadata_pb2.Edit(project=pfs_pb2.ProjectPicker(name=name))
    match = _OBJECT.fullmatch(name)
    if kind not in ("repo", "branch", "commit", "pipeline"):
        raise click.UsageError(
            f"{kind!r} isn't a kind of object: cluster, project, repo, branch, commit or pipeline."
        )
    if match is None or (match["rest"] is None) != (kind in ("repo", "pipeline")):
        raise click.UsageError(f"{name!r} names no {kind}.")
    owner = pfs_pb2.ProjectPicker(name=match["project"] or project)
    if kind == "pipeline":
        picked = pps_pb2.PipelinePicker.PipelineName(project=owner, name=match["repo"])
        return metadata_pb2.Edit(pipeline=pps_pb2.PipelinePicker(name=picked))
    repo = pfs_pb2.RepoPicker(
        name=pfs_pb2.RepoPicker.RepoName(
            project=owner, name=match["repo"], type=match["type"] or "user"
        )
    )
    if kind == "repo":
        return metadata_pb2.Edit(repo=repo)
    if kind == "commit" and is_id(match["rest"]):
        by_id = pfs_pb2.CommitPicker.CommitByGlobalId(repo=repo, id=match["rest"])
        return metadata_pb2.Edit(commit=pfs_pb2.CommitPicker(id=by_id))
    branch = pfs_pb2.BranchPicker(
        name=pfs_pb2.BranchPicker.BranchName(repo=repo, name=match["rest"])
    )
    if kind == "branch":
        return metadata_pb2.Edit(branch=branch)
    return metadata_pb2.Edit(commit=pfs_pb2.CommitPicker(branch_head=branch))


def _pairs(text: str) -> dict[str, str]:
    """Read KEY=VALUE;KEY=VALUE, either of them quoted or not, or a JSON object.

    Raises:
        click.UsageError: It is neither.
    """
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise click.UsageError(f"{text!r} isn't JSON: {error}.") from None
        if not all(isinstance(item, str) for item in value.values()):
            raise click.UsageError(f"{text!r}: all values must be texts.")
        return dict(value)
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise click.UsageError(f"{text!r} is not KEY=VALUE.")
        found[_plain(match[1])] = _plain(match[2])
        position = match.end()
    return found


def _plain(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    if text.startswith('"'):
        try:
            return str(ast.literal_eval(text))
        except (SyntaxError, ValueError):
            raise click.UsageError(f"{text} isn't a quoted string.") from None
    return text
