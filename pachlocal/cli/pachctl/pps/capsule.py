"""A datum with all that its command saw, in one file: to be run again elsewhere."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections import deque
from pathlib import Path
from typing import IO, Any, NamedTuple

import click
import grpc
from google.protobuf import json_format

from pachlocal.capsule import CODE, FORMAT, MANIFEST, MAX_MANIFEST, VERSION, VERSION_WITH_CODE
from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.local_service import reason_of
from pachlocal.cli.pachctl.client.output_file import replacing
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import command, pass_session, project_option
from pachlocal.cli.pachctl.pps.capsule_inputs import DatumInput, match_inputs, pack
from pachlocal.cli.pachctl.pps.code import code_archive
from pachlocal.cli.pachctl.pps.finding import find_datum, find_job
from pachlocal.cli.pachctl.printing.words import seconds_of, size
from pachlocal.cli.pachctl.references import JOB, JobReference
from pachlocal.errors import CliError
from pachlocal.proto import local_pb2, pps_pb2

_MAX_LOG_LINES = 10_000
_MAX_LOG_TEXT = 2**20  # characters; in JSON one takes six bytes at most
# Names of variables, and values (a URL with a password), that are nobody else's business.
_SECRET_NAME = re.compile(
    r"secret|token(_|$)|passw(or)?d|passphrase|credential|(^|_)auth(_|$)"
    r"|(api|private|access|encryption)_?key",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


@command("datum")
@click.argument("job", type=JOB)
@click.argument("datum")
@click.option(
    "-o", "--output", metavar="PATH", help="The file to write.  [default: PIPELINE-DATUM.tar.gz]"
)
@project_option
@pass_session
def debug_datum(
    session: Session, job: JobReference, datum: str, output: str | None, project: str | None
) -> None:
    """Pack a datum: its inputs, command, environment and logs. The beginning of its ID is enough.

    `pachlocal replay FILE` runs it again, without a server. The pipeline's secrets are omitted, as
    are variables that look like a password, a token or the like. What the command itself contains
    or prints is included: check manifest.json before you give the file to others.
    """
    target = find_datum(session, find_job(session, job, session.project(project)), datum)
    path = Path(output or f"{job.pipeline}-{target.id[:12]}.tar.gz")
    with replacing(path) as out:
        packed = pack_datum(session, target.job, target.id, out)
    count = "1 input" if packed.inputs == 1 else f"{packed.inputs} inputs"
    said = f"{path}: {count}, {size(packed.size_bytes)}"
    print(f"{said}; run it with: pachlocal replay {path}")
    for name in packed.left_out:
        print(f"left out, as a secret: {name}")


class Packed(NamedTuple):
    """What a capsule holds.

    Attributes:
        inputs: How many of the datum's inputs.
        size_bytes: Their bytes.
        left_out: The names of secrets that it doesn't hold.
    """

    inputs: int
    size_bytes: int
    left_out: list[str]


def pack_datum(session: Session, job: pps_pb2.Job, datum: str, out: IO[bytes]) -> Packed:
    """Write the capsule of a datum.

    Args:
        session: The call's session.
        job: The job that it is of, even if it was skipped there.
        datum: Its ID.
        out: Where to.

    Raises:
        CliError: It is too large, or the server can't tell enough of it.
        grpc.RpcError: There is no such job or datum, or a call failed.
        OSError: It can't be written.
    """
    found = _find(session, job, datum)
    inputs = match_inputs(found.job.details.input, found.datum.data)
    manifest = _manifest(session, found, inputs)
    text = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
    if len(text) > MAX_MANIFEST:
        raise CliError(f"a datum of {len(inputs)} files is too large to be taken along")
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
        total = sum(pack(session, archive, item) for item in inputs)
        if manifest["version"] == VERSION_WITH_CODE:
            _pack_code(session, archive, found)
    return Packed(len(inputs), total, [*manifest["withheld"], *_secret_names(manifest)])


class _Found(NamedTuple):
    datum: pps_pb2.DatumInfo
    job: pps_pb2.JobInfo  # in which it ran
    reason: local_pb2.DatumReason


def _find(session: Session, job: pps_pb2.Job, datum: str) -> _Found:
    pps = session.server.pps
    target = pps_pb2.Datum(job=job, id=datum)
    info = pps.InspectDatum(pps_pb2.InspectDatumRequest(datum=target))
    ran = pps_pb2.Datum(job=info.datum.job if info.datum.job.id else job, id=datum)
    if ran.job.id != job.id:  # it was skipped here
        info = pps.InspectDatum(pps_pb2.InspectDatumRequest(datum=ran))
    request = pps_pb2.InspectJobRequest(job=ran.job, details=True)
    return _Found(info, pps.InspectJob(request), reason_of(session, ran))


def _manifest(session: Session, found: _Found, inputs: list[DatumInput]) -> dict[str, Any]:
    info, job = found.datum, found.job
    transform = job.details.transform
    env = _environment(session, found, inputs)
    withheld = sorted(
        name
        for name, value in {**found.reason.env, **transform.env}.items()
        if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value)
    )
    seconds = seconds_of(job.details.datum_timeout)
    has_code = bool(found.reason.code) and ":" not in found.reason.code  # an image isn't packed
    return {
        "format": FORMAT,
        "version": VERSION_WITH_CODE if has_code else VERSION,
        "datum": info.datum.id,
        "state": pps_pb2.DatumState.Name(info.state),
        "reason": found.reason.reason,
        **({"code": found.reason.code} if has_code else {}),
        "job": {
            "project": job.job.pipeline.project.name,
            "pipeline": job.job.pipeline.name,
            "id": job.job.id,
            "pipeline_version": job.pipeline_version,
            "state": pps_pb2.JobState.Name(job.state),
            "reason": job.reason,
        },
        "image": transform.image,
        "cmd": list(transform.cmd),
        "stdin": list(transform.stdin),
        "err_cmd": list(transform.err_cmd),
        "err_stdin": list(transform.err_stdin),
        "accept_return_code": list(transform.accept_return_code),
        "working_dir": transform.working_dir,
        "user": transform.user,
        "datum_batching": transform.datum_batching,
        "timeout_s": seconds or None,
        "env": {name: value for name, value in env.items() if name not in withheld},
        "withheld": withheld,
        "secrets": [
            json_format.MessageToDict(secret, preserving_proto_field_name=True)
            for secret in transform.secrets
        ],
        "inputs": [_input(item) for item in inputs],
        "logs": _logs(session, found),
    }


def _pack_code(session: Session, archive: tarfile.TarFile, found: _Found) -> None:
    """Add the code that ran to an archive, below code/."""
    datum = found.datum.datum
    request = local_pb2.GetCodeRequest(job=found.job.job, datum_id=datum.id)
    with code_archive(session, request) as source:
        for entry in source:
            content = source.extractfile(entry) if entry.isfile() else None
            entry.name = f"{CODE}/{entry.name}"
            entry.pax_headers = {}
            archive.addfile(entry, content)


def _environment(session: Session, found: _Found, inputs: list[DatumInput]) -> dict[str, str]:
    """Put together what the command found in its environment, as far as the API tells."""
    job = found.job.job
    env = {
        **found.reason.env,
        **found.job.details.transform.env,
        "PACH_JOB_ID": job.id,
        "PACH_OUTPUT_COMMIT_ID": found.job.output_commit.id or job.id,
        "PACH_DATUM_ID": found.datum.datum.id,
        "PPS_PROJECT_NAME": job.pipeline.project.name,
        "PPS_PIPELINE_NAME": job.pipeline.name,
    }
    spec_commit = _spec_commit(session, found.job)
    if spec_commit:
        env["PPS_SPEC_COMMIT"] = spec_commit
    for item in inputs:
        file = item.info.file
        env[item.name] = f"/pfs/{item.name}{file.path.rstrip('/')}"
        env[f"{item.name}_COMMIT"] = file.commit.id
    return env


def _spec_commit(session: Session, job: pps_pb2.JobInfo) -> str:
    request = pps_pb2.InspectPipelineRequest(pipeline=job.job.pipeline)
    try:
        info = session.server.pps.InspectPipeline(request)
    except grpc.RpcError as error:
        if status_of(error) is grpc.StatusCode.NOT_FOUND:
            return ""
        raise
    return info.spec_commit.id if info.version == job.pipeline_version else ""


def _input(item: DatumInput) -> dict[str, Any]:
    file = item.info.file
    return {
        "name": item.name,
        "project": file.commit.repo.project.name,
        "repo": file.commit.repo.name,
        "commit": file.commit.id,
        "path": file.path,
        "size_bytes": item.info.size_bytes,
        "hash": item.info.hash.hex(),
    }


def _logs(session: Session, found: _Found) -> list[dict[str, Any]]:
    job = found.job.job
    request = pps_pb2.GetLogsRequest(
        pipeline=job.pipeline,
        job=job,
        datum=pps_pb2.Datum(job=job, id=found.datum.datum.id),
        tail=_MAX_LOG_LINES,
    )
    lines = deque[dict[str, Any]]()
    left = _MAX_LOG_TEXT
    for line in session.server.pps.GetLogs(request):
        text = line.message.rstrip("\n")[-_MAX_LOG_TEXT:]
        lines.append({"time": line.ts.ToJsonString(), "user": line.user, "message": text})
        left -= len(text)
        while left < 0 or len(lines) > _MAX_LOG_LINES:
            left += len(lines.popleft()["message"])
    return list(lines)


def _secret_names(manifest: dict[str, Any]) -> list[str]:
    return [it.get("env_var") or it.get("mount_path", "") for it in manifest["secrets"]]
