"""Commands on branches."""

from __future__ import annotations

from datetime import datetime, timezone

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import (
    COUNT,
    command,
    no_full_timestamps_option,
    output_options,
    pass_session,
    project_option,
    transactional,
)
from pachlocal.cli.pachctl.printing.repos import full_name
from pachlocal.cli.pachctl.printing.tables import Table
from pachlocal.cli.pachctl.printing.words import moment, print_raw, seconds_of
from pachlocal.cli.pachctl.references import BRANCH, REPO, Reference, parse
from pachlocal.proto import pfs_pb2


@command("branch")
@click.argument("branch", type=BRANCH)
@click.option(
    "--head",
    metavar="COMMIT",
    help="The commit that becomes its head, or a branch whose head it gets.",
)
@click.option(
    "-p",
    "--provenance",
    type=BRANCH,
    multiple=True,
    help="A branch in its direct provenance. May be given repeatedly.",
)
@click.option(
    "-t", "--trigger", default="", metavar="BRANCH", help="Move to this branch's head when …"
)
@click.option("--trigger-cron", default="", metavar="CRON", help="… a cron expression says so,")
@click.option("--trigger-size", default="", metavar="SIZE", help="… this much data is new,")
@click.option(
    "--trigger-commits", type=COUNT, default=0, metavar="N", help="… this many commits are new,"
)
@click.option(
    "--trigger-rate-limit", default="", metavar="CRON", help="… but no more often than this,"
)
@click.option("--trigger-all", is_flag=True, help="… all of these conditions hold, not just one.")
@project_option
@pass_session
@transactional
def create_branch(
    session: Session,
    branch: Reference,
    head: str | None,
    provenance: tuple[Reference, ...],
    trigger: str,
    trigger_cron: str,
    trigger_size: str,
    trigger_commits: int,
    trigger_rate_limit: str,
    trigger_all: bool,
    project: str | None,
) -> None:
    """Create a branch, or change its head or its provenance."""
    name = session.project(project)
    conditions = pfs_pb2.Trigger(
        branch=trigger,
        all=trigger_all,
        rate_limit_spec=trigger_rate_limit,
        size=trigger_size,
        commits=trigger_commits,
        cron_spec=trigger_cron,
    )
    if conditions.ByteSize() and not trigger:
        raise click.UsageError("A trigger's conditions need --trigger BRANCH.")
    if trigger and provenance:
        raise click.UsageError("--trigger and --provenance exclude each other.")
    request = pfs_pb2.CreateBranchRequest(
        branch=branch.to_branch(name),
        provenance=[it.to_branch(name) for it in provenance],
        trigger=conditions if trigger else None,
    )
    if head:
        try:
            point = parse(head) if "@" in head else branch._replace(branch="", commit=head)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--head'") from None
        request.head.CopyFrom(point.to_commit(name))
    session.server.pfs.CreateBranch(request)


@command("branch")
@click.argument("branch", type=BRANCH)
@no_full_timestamps_option
@project_option
@output_options
@pass_session
def inspect_branch(
    session: Session, branch: Reference, project: str | None, raw: str | None
) -> None:
    """Describe a branch."""
    request = pfs_pb2.InspectBranchRequest(branch=branch.to_branch(session.project(project)))
    info = session.server.pfs.InspectBranch(request)
    if raw:
        print_raw([info], raw)
        return
    print(f"Name: {info.branch.repo.name}@{info.branch.name}")
    if info.HasField("head"):
        print(f"Head Commit: {info.head.repo.name}@{info.head.id}")
    if info.provenance:
        origins = (f"{full_name(it.repo)}@{it.name}" for it in info.provenance)
        print("Provenance: " + " ".join(origins))
    if info.HasField("trigger"):
        print(f"Trigger: {_trigger(info.trigger)}")
    if info.created_by:
        print(f"Created by: {info.created_by}")
    if info.HasField("created_at"):
        print(f"Created at: {moment(info, 'created_at', full=True)}")


@command("branch")
@click.argument("repo", type=REPO)
@project_option
@output_options
@pass_session
def list_branch(session: Session, repo: Reference, project: str | None, raw: str | None) -> None:
    """List a repo's branches."""
    request = pfs_pb2.ListBranchRequest(repo=repo.to_repo(session.project(project)))
    infos = session.server.pfs.ListBranch(request)
    if raw:
        print_raw(infos, raw)
        return
    table = Table("BRANCH\tHEAD\tTRIGGER\tCREATOR\tCREATED\t")
    for info in infos:
        table.row(
            info.branch.name,
            info.head.id or "-",
            _trigger(info.trigger) if info.HasField("trigger") else "-",
            info.created_by or "-",
            _local_time(info),
        )
    table.flush()


def _local_time(info: pfs_pb2.BranchInfo) -> str:
    if not info.HasField("created_at"):
        return "-"
    time = datetime.fromtimestamp(int(seconds_of(info.created_at)), timezone.utc).astimezone()
    return time.isoformat().replace("+00:00", "Z")


def _trigger(trigger: pfs_pb2.Trigger) -> str:
    if trigger.cron_spec:
        return f"{trigger.branch} on Cron({trigger.cron_spec})"
    conditions = [
        f"{name}({value})"
        for name, value in (
            ("Rate Limit", trigger.rate_limit_spec),
            ("Size", trigger.size),
            ("Commits", trigger.commits),
        )
        if value
    ]
    return f"{trigger.branch} on {(' and ' if trigger.all else ' or ').join(conditions)}"


@command("branch")
@click.argument("branch", type=BRANCH)
@click.option("-f", "--force", is_flag=True, help="Delete it even if others depend on it.")
@project_option
@pass_session
@transactional
def delete_branch(session: Session, branch: Reference, force: bool, project: str | None) -> None:
    """Delete a branch; its commits stay."""
    request = pfs_pb2.DeleteBranchRequest(
        branch=branch.to_branch(session.project(project)), force=force
    )
    session.server.pfs.DeleteBranch(request)
