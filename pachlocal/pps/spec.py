"""A pipeline's spec: checked, completed with defaults, and as values that the scheduler reads.

The spec comes as the JSON form of pps_v2.CreatePipelineRequest with snake_case names, whose field
names and types have been checked already. See
https://docs.pachyderm.com/latest/build-dags/pipeline-spec/ for what the fields mean.
"""

from __future__ import annotations

import copy
import posixpath
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pachlocal.errors import InvalidArgumentError, UnsupportedError
from pachlocal.pfs.names import (
    DEFAULT_PROJECT,
    META,
    SPEC,
    BranchName,
    RepoName,
    validate_name,
)
from pachlocal.pps.inputs import CombinedInput, Input, Json, Owner, complete_input, parse_input
from pachlocal.pps.ports import complete_service, port_of
from pachlocal.pps.resources import resources
from pachlocal.pps.secrets import SecretMount
from pachlocal.runtime.contract import Port, Resources

MAX_PIPELINE_NAME = 51
DEFAULT_DATUM_TRIES = 3
WARM = "pachlocal.io/warm"
"""An annotation: a cluster takes it, and has no interest in it."""
EVERY_JOB, UNTIL_SUCCESS = "every_job", "until_success"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")

# What a cluster does and one machine doesn't yet: field, and what to do instead.
_UNSERVED = {
    "egress": "take the result out with `get file -r`",
    "s3_out": "write to /pfs/out",
    "tf_job": "train inside the transform",
    "determined": "train inside the transform",
}


@dataclass(frozen=True, slots=True)
class Transform:
    """What runs for each datum."""

    image: str
    cmd: tuple[str, ...]
    stdin: tuple[str, ...]
    err_cmd: tuple[str, ...]
    err_stdin: tuple[str, ...]
    env: Mapping[str, str]
    accept_return_code: frozenset[int]
    working_dir: str | None
    user: str | None
    secrets: tuple[SecretMount, ...] = ()
    datum_batching: bool = False


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A complete spec.

    Attributes:
        project: The pipeline's project.
        name: The pipeline, and its output repo.
        description: For people.
        transform: What runs.
        workers: How many datums run side by side.
        input: What it runs on; a spout's is empty.
        spout: Whether its program runs on, and puts files into the output by itself.
        service: Whether its program runs on, and serves the input's one datum.
        port: Where users reach its program, if anywhere.
        output_branch: Where the results go.
        datum_tries: How often a datum is tried before it has failed.
        datum_timeout_s: Seconds a try may take; None for no limit.
        job_timeout_s: Seconds a job may take; None for no limit.
        every_job: Whether all datums run in every job, skipped by none.
        limits: The most that a worker may use.
        requests: What a worker needs.
        warm: Whether the command's interpreter may be kept loaded from datum to datum.
    """

    project: str
    name: str
    description: str
    transform: Transform
    workers: int
    input: Input
    spout: bool
    service: bool
    port: Port | None
    output_branch: str
    datum_tries: int
    datum_timeout_s: float | None
    job_timeout_s: float | None
    every_job: bool
    limits: Resources
    requests: Resources
    warm: bool = True

    @property
    def repo(self) -> RepoName:
        """The output repo."""
        return RepoName(self.project, self.name)

    @property
    def output(self) -> BranchName:
        """The branch of the results."""
        return BranchName(self.repo, self.output_branch)

    @property
    def meta(self) -> BranchName:
        """The branch of the datums' records."""
        return BranchName(self.repo.of_type(META), "master")

    @property
    def keeps_records(self) -> bool:
        """Whether there are records of its datums."""
        return not (self.spout or self.service)

    @property
    def versions(self) -> BranchName:
        """The branch of the specs."""
        return BranchName(self.repo.of_type(SPEC), "master")


def effective(user_spec: Json, now: int | None = None) -> Json:
    """Check a user's spec and return it with the defaults of the real server filled in.

    Args:
        user_spec: The spec.
        now: The time (ns since 1970): where a cron input starts.

    Raises:
        InvalidArgumentError: It can't be right; the message names the field.
        UnsupportedError: It asks for what only a cluster does.
    """
    spec = copy.deepcopy(user_spec)
    for control in ("update", "reprocess", "dry_run"):  # about the request, not the pipeline
        spec.pop(control, None)
    pipeline = spec.setdefault("pipeline", {})
    name = pipeline.get("name", "")
    if not name:
        raise InvalidArgumentError("pipeline.name is missing")
    validate_name(name)
    if len(name) > MAX_PIPELINE_NAME:
        raise InvalidArgumentError(
            f"pipeline name {name!r} is {len(name)} characters long, "
            f"{MAX_PIPELINE_NAME} are the most there can be"
        )
    project = pipeline.setdefault("project", {}).setdefault("name", DEFAULT_PROJECT)
    for field, instead in _UNSERVED.items():
        if field in spec:
            raise UnsupportedError(f"{field} needs a Pachyderm cluster; here: {instead}")
    _check_transform(spec)
    spec.setdefault("parallelism_spec", {}).setdefault("constant", "1")
    _complete_work(spec, Owner(project, name, time.time_ns() if now is None else now))
    spec.setdefault("output_branch", "master")
    validate_name(spec["output_branch"])
    spec.setdefault("datum_tries", str(DEFAULT_DATUM_TRIES))
    if int(spec["datum_tries"]) < 0:
        raise InvalidArgumentError("datum_tries must not be negative")
    if spec.setdefault("reprocess_spec", UNTIL_SUCCESS) not in (UNTIL_SUCCESS, EVERY_JOB):
        raise InvalidArgumentError(
            f"invalid pipeline spec: reprocess_spec must be {UNTIL_SUCCESS!r} or {EVERY_JOB!r}"
        )
    for field in ("resource_limits", "resource_requests"):
        resources(spec, field)
    return spec


def parse(spec: Json) -> PipelineSpec:
    """Make values of an effective spec."""
    transform = spec["transform"]
    project = spec["pipeline"]["project"]["name"]
    return PipelineSpec(
        project=project,
        name=spec["pipeline"]["name"],
        description=spec.get("description", ""),
        transform=Transform(
            image=transform["image"],
            cmd=tuple(transform["cmd"]),
            stdin=tuple(transform.get("stdin", ())),
            err_cmd=tuple(transform.get("err_cmd", ())),
            err_stdin=tuple(transform.get("err_stdin", ())),
            env=dict(transform.get("env", {})),
            accept_return_code=frozenset(map(int, transform.get("accept_return_code", ()))),
            working_dir=transform.get("working_dir") or None,
            user=transform.get("user") or None,
            datum_batching=transform.get("datum_batching", False),
            secrets=tuple(
                SecretMount(
                    mount["name"],
                    mount.get("key", ""),
                    mount.get("env_var", ""),
                    posixpath.normpath(mount["mount_path"]) if mount.get("mount_path") else "",
                )
                for mount in transform.get("secrets", ())
            ),
        ),
        workers=max(1, int(spec["parallelism_spec"]["constant"])),
        input=parse_input(spec["input"]) if spec.get("input") else CombinedInput("union", ()),
        spout="spout" in spec,
        service="service" in spec,
        port=port_of(spec),
        output_branch=spec["output_branch"],
        datum_tries=max(1, int(spec["datum_tries"])),
        datum_timeout_s=_seconds(spec.get("datum_timeout")),
        job_timeout_s=_seconds(spec.get("job_timeout")),
        every_job=spec["reprocess_spec"] == EVERY_JOB,
        limits=resources(spec, "resource_limits"),
        requests=resources(spec, "resource_requests"),
        warm=_annotation(spec, WARM) != "false",
    )


def _check_transform(spec: Json) -> None:
    transform = spec.get("transform")
    if not transform:
        raise InvalidArgumentError("pipeline must specify a transform")
    if not transform.get("image"):
        raise InvalidArgumentError("transform.image is missing: no image to run the command in")
    if not transform.get("cmd"):
        raise InvalidArgumentError(
            "transform.cmd is missing: invalid pipeline transform, no command specified"
        )
    _check_secrets(transform.get("secrets", ()))


def _complete_work(spec: Json, owner: Owner) -> None:
    """Complete what a pipeline works on, and where it is reached."""
    if "spout" in spec:
        _check_spout(spec)
    elif not spec.get("input"):
        raise InvalidArgumentError("no input set")
    else:
        complete_input(spec["input"], owner)
    if "service" in spec:
        _check_service(spec)


def _check_service(spec: Json) -> None:
    if "spout" in spec:
        raise InvalidArgumentError("only one of pipeline.service or pipeline.spout can be set")
    complete_service(spec["service"], "service")
    if int(spec["parallelism_spec"]["constant"]) != 1:
        raise InvalidArgumentError("services can only be run with a constant parallelism of 1")
    if spec["transform"].get("datum_batching"):
        raise InvalidArgumentError("a service has one datum, which can't come in batches")


def _check_spout(spec: Json) -> None:
    if "service" in spec["spout"]:
        complete_service(spec["spout"]["service"], "spout.service")
        if int(spec["parallelism_spec"]["constant"]) > 1:
            raise UnsupportedError(
                "spout.service with several workers needs a Pachyderm cluster; here: one can listen"
            )
        if spec.get("input"):
            raise UnsupportedError(
                "the real server gives a spout no data of its input; here: leave input out"
            )
    if spec.get("input"):
        raise InvalidArgumentError("spout pipelines (without a service) must not have an input")
    if spec.get("autoscaling"):
        raise InvalidArgumentError(
            "autoscaling can't be used with spouts (spouts aren't triggered externally)"
        )
    if spec["transform"].get("datum_batching"):
        raise InvalidArgumentError("a spout has no datums that could come in batches")


def _check_secrets(mounts: Sequence[Json]) -> None:
    paths = set()
    for index, mount in enumerate(mounts):
        where = f"transform.secrets[{index}]"
        if not mount.get("name"):
            raise InvalidArgumentError(f"{where}: name is missing")
        if not (mount.get("env_var") or mount.get("mount_path")):
            raise InvalidArgumentError(f"{where}: it must have env_var or mount_path")
        if mount.get("env_var") and not mount.get("key"):
            raise InvalidArgumentError(f"{where}: env_var needs the key that it is to hold")
        if path := mount.get("mount_path"):
            plain = posixpath.normpath(path)
            if not plain.startswith("/") or plain.strip("/").split("/")[0] in ("", "pfs", "code"):
                raise InvalidArgumentError(
                    f"{where}: mount_path {path!r} is no folder outside /pfs and /code"
                )
            if plain in paths:
                raise InvalidArgumentError(f"{where}: mount_path {path} is used twice")
            paths.add(plain)


def _annotation(spec: Json, name: str) -> str | None:
    annotations: Mapping[str, str] = (spec.get("metadata") or {}).get("annotations") or {}
    return annotations.get(name)


def _seconds(duration: str | None) -> float | None:
    match = _DURATION.fullmatch(duration or "")
    return float(match[1]) if match else None
