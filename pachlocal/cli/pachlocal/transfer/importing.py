"""`pachlocal import`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from google.protobuf import json_format

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.printing.progress import TransferProgress
from pachlocal.cli.pachlocal.transfer import changes
from pachlocal.cli.pachlocal.transfer.archive import ArchiveReader, content_name
from pachlocal.cli.pachlocal.transfer.manifest import Pipeline
from pachlocal.cli.pachlocal.transfer.room import make_room
from pachlocal.cli.pachlocal.transfer.writing import RepoWriter
from pachlocal.errors import CliError
from pachlocal.proto import pfs_pb2, pps_pb2


def import_(
    session: Session,
    reader: ArchiveReader,
    project: str | None,
    *,
    replace: bool,
    mapping: Path | None,
) -> None:
    """Make the repos and pipelines of an export.

    Args:
        session: The call's session.
        reader: The export.
        project: Where to; if not given, the project's name is that of the export.
        replace: Delete repos and pipelines of the same names first.
        mapping: A file to write, in JSON, which commit has become which.

    Raises:
        CliError: The export is damaged, its repos are there already, or what has arrived isn't
            what was sent.
        grpc.RpcError: The server refused.
    """
    manifest = reader.manifest
    check_contents(reader)
    project = project or manifest.project
    make_room(session, project, manifest, replace=replace)
    new_ids: dict[str, dict[str, str]] = {}
    with TransferProgress(wanted=True) as meter:
        writers = [RepoWriter(session, reader, project, repo, meter) for repo in manifest.repos]
        for writer in writers:
            new_ids[writer.name] = writer.write()
    for writer in writers:  # a branch may be computed from branches of other repos
        writer.finish()
    for pipeline in manifest.pipelines:
        _create(session, pipeline, manifest.project, project)
    for repo, ids in new_ids.items():
        for old, new in ids.items():
            print(f"{repo}@{old} is now {repo}@{new}")
    if mapping is not None:
        mapping.write_text(json.dumps(new_ids, indent=2) + "\n", encoding="utf-8")
    commits = sum(map(len, new_ids.values()))
    print(
        f"{session.server.address}, project {project}: {len(new_ids)} repos with {commits} "
        f"commits, {len(manifest.pipelines)} pipelines"
    )


def check_contents(reader: ArchiveReader) -> None:
    """See that an export holds all that it names, and that nothing in it has changed.

    Raises:
        CliError: It has.
    """
    _check_triggers(reader)
    checked = reader.new_set()
    for repo, commit in reader.manifest.commits():
        count = 0
        for change in changes.read(reader, repo.name, commit.id):
            count += 1
            if change.content is None or not checked.add(change.content.sha256):
                continue
            digest, size = hashlib.sha256(), 0
            for piece in reader.pieces(change.content.sha256):
                digest.update(piece)
                size += len(piece)
            if (digest.hexdigest(), size) != change.content:
                raise CliError(
                    f"{reader.path}: {content_name(change.content.sha256)} is damaged: its bytes "
                    "don't match its name"
                )
        if count != commit.changes:
            raise CliError(
                f"{reader.path}: {repo.name}@{commit.id} should list {commit.changes} files, and "
                f"lists {count}"
            )


def _check_triggers(reader: ArchiveReader) -> None:
    for repo in reader.manifest.repos:
        for branch in repo.branches:
            try:
                json_format.ParseDict(branch.trigger, pfs_pb2.Trigger())
            except json_format.ParseError as error:
                reason = str(error).splitlines()[0]
                raise CliError(f"{reader.path}: {repo.name}@{branch.name}: {reason}") from None


def _create(session: Session, pipeline: Pipeline, old_project: str, project: str) -> None:
    spec = _moved(pipeline.spec, old_project, project)
    name = {"name": pipeline.name, "project": {"name": project}}
    request = pps_pb2.CreatePipelineV2Request(
        create_pipeline_request_json=json.dumps({**spec, "pipeline": name})
    )
    session.server.pps.CreatePipelineV2(request)
    if pipeline.stopped:
        stop = pps_pb2.StopPipelineRequest(must_exist=True)
        stop.pipeline.CopyFrom(
            pps_pb2.Pipeline(name=pipeline.name, project=pfs_pb2.Project(name=project))
        )
        session.server.pps.StopPipeline(stop)


def _moved(spec: dict[str, object], old: str, new: str) -> dict[str, object]:
    """Let inputs that name the old project name the new one."""

    def move(value: object) -> object:
        if isinstance(value, list):
            return [move(it) for it in value]
        if isinstance(value, dict):
            return {
                key: new if key == "project" and it == old else move(it)
                for key, it in value.items()
            }
        return value

    return {**spec, "input": move(spec["input"])} if "input" in spec else spec
