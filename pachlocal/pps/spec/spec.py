"""A pipeline's spec: checked, completed with defaults, and as values that the scheduler reads.

The spec comes as the JSON form of pps_v2.CreatePipelineRequest with snake_case names, whose field
names and types have been checked already. See
https://docs.pachyderm.com/latest/build-dags/pipeline-spec/ for what the fields mean.
"""

from __future__ import annotations

import copy
import json
import posixpath
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pachlocal.errors import InvalidArgumentError, StricterError, UnsupportedError
from pachlocal.pfs.history.names import (
    DEFAULT_PROJECT,
    META,
    SPEC,
    BranchName,
    RepoName,
    validate_branch_name,
    validate_name,
)
from pachlocal.pps.spec.defaults import (
    DEFAULT_DATUM_TRIES,
    DEFAULT_IMAGE,
    EVERY_JOB,
    UNTIL_SUCCESS,
)
from pachlocal.pps.spec.inputs import CombinedInput, Input, Json, Owner, complete_input, parse_input
from pachlocal.pps.spec.ports import check_service_type, complete_service, port_of
from pachlocal.pps.spec.resources import LOG_LIMIT, log_limit, resources
from pachlocal.pps.spec.secret_mounts import SecretMount
from pachlocal.runtime.contract import Port, Resources

MAX_PIPELINE_NAME = 51
WARM = "pachlocal.io/warm"
"""An annotation: a cluster takes it, and has no interest in it."""
CODE = "pachlocal.io/code"
"""Another one, "true" or "false": whether other code makes other datums."""
ENV = "pachlocal.io/env"
"""Another one: the names of variables, with commas, that the command has of the server's shell."""

MAX_WORKERS = 256
"""Of a pipeline, whatever its spec says: each is a process, and they share one machine."""

_LONGEST_LABEL = 63  # characters, in Kubernetes
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)s")
_LONGEST_S = 10 * 365 * 86400  # of a time limit; a longer one is as good as none

# What a cluster does and one machine doesn't yet: field, and what to do instead.
_UNSERVED = {
    "egress": "take the result out with `get file -r`",
    "s3_out": "write to /pfs/out",
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
        expected_uptime_s: Seconds for which workers are expected to run on; None for any.
        job_timeout_s: Seconds a job may take, 0 for none at all; None for no limit.
        every_job: Whether all datums run in every job, skipped by none.
        limits: The most that a worker may use.
        requests: What a worker needs.
        warm: Whether the command's interpreter may be kept loaded from datum to datum.
        code_counts: Whether other code makes other work of the same data.
        log_limit: Bytes of a job's log that are kept; None for as many as of others.
        env: The names of variables that it has from the server's own environment.
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
    code_counts: bool = False
    log_limit: int | None = None
    expected_uptime_s: float | None = None
    env: tuple[str, ...] = ()

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
        return BranchName(self.repo.of_type(META), self.output_branch)

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
    spec = check_fields(user_spec)
    name = spec["pipeline"].get("name", "")
    if not name:
        raise InvalidArgumentError(
            "invalid pipeline spec: request.Pipeline cannot be nil: pipeline.name is missing"
        )
    validate_name(name)
    if len(name) > MAX_PIPELINE_NAME:
        raise InvalidArgumentError(
            f'pipeline name "{name}" is {len(name) - MAX_PIPELINE_NAME} characters longer than '
            f"the {MAX_PIPELINE_NAME} max"
        )
    if not name[0].isalnum():
        raise InvalidArgumentError(
            f"pipeline names must start with an alphanumeric character: {name!r}"
        )
    project = spec["pipeline"]["project"]["name"]
    _check_kubernetes_name(project, name)
    _check_transform(spec)
    if "spec_commit" in spec:  # how an extracted cluster is restored
        raise InvalidArgumentError("spec_commit: cannot pick commit: a version makes its own")
    if spec.get("s3_out") and ("service" in spec or "spout" in spec):
        raise InvalidArgumentError("s3_out is not supported in spouts or services")
    if "service" in spec:
        _check_one_worker(spec)
    _complete_work(spec, Owner(project, name, time.time_ns() if now is None else now))
    spec.setdefault("output_branch", "master")
    validate_branch_name(spec["output_branch"])
    spec.setdefault("datum_tries", str(DEFAULT_DATUM_TRIES))
    if int(spec["datum_tries"]) < 0:
        raise StricterError("datum_tries must not be negative")
    spec.setdefault("reprocess_spec", UNTIL_SUCCESS)
    for field in ("resource_limits", "resource_requests"):
        resources(spec, field)
    _check_annotations(spec)
    _check_served(spec)
    return spec


def _check_annotations(spec: Json) -> None:
    log_limit(_annotation(spec, LOG_LIMIT))
    passed_env(_annotation(spec, ENV))
    for name in (CODE, WARM):
        if _annotation(spec, name) not in (None, "true", "false"):
            raise StricterError(f'the annotation {name} must be "true" or "false"')


def check_fields(user_spec: Json) -> Json:
    """Check what needs no more than a look at the spec, which may be unfinished.

    Returns:
        The spec with its project, and without what is about the request that brought it.

    Raises:
        InvalidArgumentError: A field holds what it can't.
    """
    spec = copy.deepcopy(user_spec)
    if "tf_job" in spec:
        raise InvalidArgumentError("tf_job is not supported yet, here or by Pachyderm 2.12")
    for control in ("update", "reprocess", "dry_run"):
        spec.pop(control, None)
    spec.setdefault("pipeline", {}).setdefault("project", {}).setdefault("name", DEFAULT_PROJECT)
    if spec.get("reprocess_spec", UNTIL_SUCCESS) not in (UNTIL_SUCCESS, EVERY_JOB):
        raise InvalidArgumentError(
            f"invalid pipeline spec: reprocess_spec must be {UNTIL_SUCCESS!r} or {EVERY_JOB!r}"
        )
    tolerations = spec.get("tolerations", ())
    for number, toleration in enumerate(tolerations, 1):
        if toleration.get("operator", "EMPTY") == "EMPTY":
            raise InvalidArgumentError(
                f"toleration {number}/{len(tolerations)}: cannot omit key/value comparison "
                "operator; specify EQUAL or EXISTS"
            )
    for field, name in (("pod_spec", "PodSpec"), ("pod_patch", "PodPatch")):
        if spec.get(field):
            try:
                json.loads(spec[field])
            except ValueError as error:
                raise InvalidArgumentError(
                    f"malformed {name}: {field} isn't JSON: {error}"
                ) from None
    if "service" in spec:
        check_service_type(spec["service"])
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
            cmd=tuple(transform.get("cmd", ())),
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
        workers=min(max(1, _constant_workers(spec)), MAX_WORKERS),
        input=parse_input(spec["input"]) if spec.get("input") else CombinedInput("union", ()),
        spout="spout" in spec,
        service="service" in spec,
        port=port_of(spec),
        output_branch=spec["output_branch"],
        datum_tries=max(1, int(spec["datum_tries"])),
        datum_timeout_s=_seconds(spec.get("datum_timeout")) or None,  # 0: none, as upstream
        job_timeout_s=_seconds(spec.get("job_timeout")),
        every_job=spec["reprocess_spec"] == EVERY_JOB,
        limits=resources(spec, "resource_limits"),
        requests=resources(spec, "resource_requests"),
        warm=_annotation(spec, WARM) != "false",
        code_counts=_annotation(spec, CODE) == "true",
        log_limit=log_limit(_annotation(spec, LOG_LIMIT)),
        expected_uptime_s=_seconds(spec.get("maximum_expected_uptime")),
        env=passed_env(_annotation(spec, ENV)),
    )


def _check_kubernetes_name(project: str, name: str) -> None:
    """Refuse names that are too long for a cluster, where a pipeline's pods are called by them."""
    label = f"{project}-{name}-v99".replace("_", "-").lower()
    if len(label) > _LONGEST_LABEL:
        raise InvalidArgumentError(
            f'Kubernetes name "{label}" is {len(label) - _LONGEST_LABEL} characters longer than '
            f"the {_LONGEST_LABEL} max"
        )


def _check_served(spec: Json) -> None:
    """Refuse fields that can have no effect here."""
    for field, instead in _UNSERVED.items():
        if field in spec:
            raise UnsupportedError(f"{field} needs a Pachyderm cluster; here: {instead}")


def _check_transform(spec: Json) -> None:
    transform = spec.setdefault("transform", {})
    transform["image"] = transform.get("image") or DEFAULT_IMAGE
    _check_secrets(transform.get("secrets", ()))


def _complete_work(spec: Json, owner: Owner) -> None:
    """Complete what a pipeline works on, and where it is reached."""
    if "spout" in spec:
        _check_spout(spec)
    elif "input" in spec:  # without one there is a job for each version, with no datum
        complete_input(spec["input"], owner)
    if "service" in spec:
        _check_service(spec)


def _constant_workers(spec: Json) -> int:
    """Return how many workers a spec asks for; 0 if its `parallelism_spec` doesn't say."""
    return int(spec.get("parallelism_spec", {}).get("constant", 0))


def _check_one_worker(spec: Json) -> None:
    """Refuse a service with several workers, or with a `parallelism_spec` that says none."""
    if "parallelism_spec" in spec and _constant_workers(spec) != 1:
        raise InvalidArgumentError("services can only be run with a constant parallelism of 1")


def _check_service(spec: Json) -> None:
    if "spout" in spec:
        raise StricterError("only one of pipeline.service or pipeline.spout can be set")
    complete_service(spec["service"], "service")
    if spec["transform"].get("datum_batching"):
        raise StricterError("a service has one datum, which can't come in batches")


def _check_spout(spec: Json) -> None:
    if "service" in spec["spout"]:
        complete_service(spec["spout"]["service"], "spout.service")
        if _constant_workers(spec) > 1:
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
        raise StricterError("a spout has no datums that could come in batches")


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
                    f"{where}: mount_path {path!r} isn't a folder outside /pfs and /code"
                )
            if plain in paths:
                raise InvalidArgumentError(f"{where}: mount_path {path} is used twice")
            paths.add(plain)


def passed_env(text: str | None) -> tuple[str, ...]:
    """Read the names of variables, with commas between them; None names none.

    Raises:
        InvalidArgumentError: One can't be the name of a variable.
    """
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise StricterError(f"annotation {ENV}: {name!r} isn't the name of a variable")
    return names


def _annotation(spec: Json, name: str) -> str | None:
    annotations: Mapping[str, str] = (spec.get("metadata") or {}).get("annotations") or {}
    return annotations.get(name)


def _seconds(duration: str | None) -> float | None:
    """Return a time limit that isn't negative; None without one."""
    match = _DURATION.fullmatch(duration or "")
    seconds = max(0.0, float(match[1])) if match else None
    return seconds if seconds is not None and seconds <= _LONGEST_S else None
