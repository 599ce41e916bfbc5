"""A pipeline's spec: checked, completed with defaults, and as values that the scheduler reads.

The spec comes as the JSON form of pps_v2.CreatePipelineRequest with snake_case names, whose field
names and types have been checked already. See
https://docs.pachyderm.com/latest/build-dags/pipeline-spec/ for what the fields mean.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pachlocal.errors import InvalidArgumentError, UnsupportedError
from pachlocal.pfs import paths
from pachlocal.pfs.globs import compile_glob
from pachlocal.pfs.names import (
    DEFAULT_PROJECT,
    META,
    SPEC,
    USER,
    BranchName,
    RepoName,
    validate_name,
)
from pachlocal.pps.resources import resources
from pachlocal.runtime.contract import Resources

Json: TypeAlias = dict[str, Any]

MAX_PIPELINE_NAME = 51
DEFAULT_DATUM_TRIES = 3
EVERY_JOB, UNTIL_SUCCESS = "every_job", "until_success"

_COMBINED = ("cross", "union", "join", "group")
_RESERVED_INPUT_NAMES = ("out", ".env")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")

# What a cluster does and one machine doesn't yet: field, and what to do instead.
_UNSERVED = {
    "spout": "run the program beside pachlocal and let it `put file`",
    "service": "run the service beside pachlocal and let it read with `get file`",
    "egress": "take the result out with `get file -r`",
    "s3_out": "write to /pfs/out",
    "tf_job": "train inside the transform",
    "determined": "train inside the transform",
}


@dataclass(frozen=True, slots=True)
class PfsInput:
    """Files of a branch, one datum a match of the glob.

    Attributes:
        name: The folder below `/pfs`.
        branch: Where the files come from.
        glob: The pattern.
        join_on: Template that gives the key of a join; empty for none.
        group_by: Template that gives the key of a group; empty for none.
        outer_join: Whether matches without a partner in the join stay.
        empty_files: Whether only names are laid out.
    """

    name: str
    branch: BranchName
    glob: str
    join_on: str = ""
    group_by: str = ""
    outer_join: bool = False
    empty_files: bool = False


@dataclass(frozen=True, slots=True)
class CombinedInput:
    """Several inputs combined: `cross`, `union`, `join` or `group`."""

    kind: str
    arms: tuple[Input, ...]


Input: TypeAlias = "PfsInput | CombinedInput"


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


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A complete spec.

    Attributes:
        project: The pipeline's project.
        name: The pipeline, and its output repo.
        description: For people.
        transform: What runs.
        workers: How many datums run side by side.
        input: What it runs on.
        output_branch: Where the results go.
        datum_tries: How often a datum is tried before it has failed.
        datum_timeout_s: Seconds a try may take; None for no limit.
        job_timeout_s: Seconds a job may take; None for no limit.
        every_job: Whether all datums run in every job, skipped by none.
        limits: The most that a worker may use.
        requests: What a worker needs.
    """

    project: str
    name: str
    description: str
    transform: Transform
    workers: int
    input: Input
    output_branch: str
    datum_tries: int
    datum_timeout_s: float | None
    job_timeout_s: float | None
    every_job: bool
    limits: Resources
    requests: Resources

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
    def versions(self) -> BranchName:
        """The branch of the specs."""
        return BranchName(self.repo.of_type(SPEC), "master")


def effective(user_spec: Json) -> Json:
    """Check a user's spec and return it with the defaults of the real server filled in.

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
        if spec.get(field):
            raise UnsupportedError(f"{field} needs a Pachyderm cluster; here: {instead}")
    _check_transform(spec)
    if not spec.get("input"):
        raise InvalidArgumentError("no input set")
    complete_input(spec["input"], project)
    spec.setdefault("output_branch", "master")
    validate_name(spec["output_branch"])
    spec.setdefault("parallelism_spec", {}).setdefault("constant", "1")
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
        ),
        workers=max(1, int(spec["parallelism_spec"]["constant"])),
        input=parse_input(spec["input"]),
        output_branch=spec["output_branch"],
        datum_tries=max(1, int(spec["datum_tries"])),
        datum_timeout_s=_seconds(spec.get("datum_timeout")),
        job_timeout_s=_seconds(spec.get("job_timeout")),
        every_job=spec["reprocess_spec"] == EVERY_JOB,
        limits=resources(spec, "resource_limits"),
        requests=resources(spec, "resource_requests"),
    )


def complete_input(input_: Json, project: str = DEFAULT_PROJECT) -> Json:
    """Check an input and fill its defaults in, in place; return it.

    Raises:
        InvalidArgumentError: It can't be right; the message names the field.
        UnsupportedError: It asks for what only a cluster does.
    """
    _complete_input(input_, "input", project)
    _check_names(input_)
    return input_


def parse_input(input_: Json) -> Input:
    """Make values of a complete input."""
    if "pfs" in input_:
        pfs = input_["pfs"]
        return PfsInput(
            name=pfs["name"],
            branch=BranchName(
                RepoName(pfs["project"], pfs["repo"], pfs["repo_type"]), pfs["branch"]
            ),
            glob=pfs["glob"],
            join_on=pfs.get("join_on", ""),
            group_by=pfs.get("group_by", ""),
            outer_join=pfs.get("outer_join", False),
            empty_files=pfs.get("empty_files", False),
        )
    (kind,) = (kind for kind in _COMBINED if kind in input_)
    return CombinedInput(kind, tuple(parse_input(arm) for arm in input_[kind]))


def pfs_inputs(input_: Input) -> Iterator[PfsInput]:
    """Yield the leaves of an input, in order."""
    if isinstance(input_, PfsInput):
        yield input_
    else:
        for arm in input_.arms:
            yield from pfs_inputs(arm)


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
    if transform.get("datum_batching"):
        raise UnsupportedError("transform.datum_batching is not served yet")
    if transform.get("secrets"):
        raise UnsupportedError("transform.secrets is not served yet: use transform.env")


def _complete_input(input_: Json, where: str, project: str) -> None:
    kinds = [kind for kind in ("pfs", "cron", *_COMBINED) if kind in input_]
    if not kinds:
        raise InvalidArgumentError(f"{where}: no input set")
    if len(kinds) > 1:
        raise InvalidArgumentError(f"{where}: multiple input types set ({', '.join(kinds)})")
    (kind,) = kinds
    if kind == "cron":
        raise UnsupportedError(f"{where}.cron is not served yet: put a file on a schedule instead")
    if kind == "pfs":
        _complete_pfs(input_["pfs"], f"{where}.pfs", project)
        return
    if not input_[kind]:
        raise InvalidArgumentError(f"{where}.{kind}: no input set")
    for index, arm in enumerate(input_[kind]):
        _complete_input(arm, f"{where}.{kind}[{index}]", project)


def _complete_pfs(pfs: Json, where: str, project: str) -> None:
    if not pfs.get("repo"):
        raise InvalidArgumentError(f"{where}: input must specify a repo")
    if not pfs.get("glob"):
        raise InvalidArgumentError(f"{where}: input must specify a glob")
    if pfs.get("commit"):
        raise InvalidArgumentError(
            f"{where}: input cannot come from a commit; "
            "use a branch with head pointing to the commit"
        )
    for field in ("s3", "trigger", "lazy", "reference"):
        if pfs.get(field):
            raise UnsupportedError(f"{where}.{field} is not served yet")
    pfs["glob"] = paths.clean(pfs["glob"]) if pfs["glob"] != "/" else "/"
    compile_glob(pfs["glob"])
    pfs.setdefault("project", project)
    pfs.setdefault("name", pfs["repo"])
    pfs.setdefault("branch", "master")
    pfs.setdefault("repo_type", USER)
    validate_name(pfs["branch"])
    if pfs["name"] in _RESERVED_INPUT_NAMES:
        raise InvalidArgumentError(f"{where}: input cannot be named {pfs['name']}")


def _check_names(input_: Json) -> set[str]:
    """Refuse two inputs of one name in one datum; the arms of a union are never in one datum."""
    if "pfs" in input_:
        return {input_["pfs"]["name"]}
    (kind,) = (kind for kind in _COMBINED if kind in input_)
    seen: set[str] = set()
    for arm in input_[kind]:
        names = _check_names(arm)
        if kind != "union" and names & seen:
            raise InvalidArgumentError(f'name "{min(names & seen)}" was used more than once')
        seen |= names
    return seen


def _seconds(duration: str | None) -> float | None:
    match = _DURATION.fullmatch(duration or "")
    return float(match[1]) if match else None
