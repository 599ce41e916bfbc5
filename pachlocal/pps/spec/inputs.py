"""A pipeline's input: checked, completed with defaults, and as values.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/input/ for what the fields mean.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pachlocal.errors import InvalidArgumentError, StricterError, UnsupportedError
from pachlocal.pfs.history import schedule, triggers
from pachlocal.pfs.history.names import (
    DEFAULT_PROJECT,
    USER,
    BranchName,
    RepoName,
    validate_branch_name,
    validate_name,
)
from pachlocal.pfs.history.triggers import Trigger
from pachlocal.pfs.tree import paths
from pachlocal.pfs.tree.globs import compile_glob

Json: TypeAlias = dict[str, Any]

MAX_INPUTS = 1000
"""Of a pipeline: each commit of one makes a commit that names the commits of all."""

COMBINATIONS = ("cross", "union", "join", "group")
_RESERVED_NAMES = ("out", ".env", ".", "..")
_FOLDER_NAME = re.compile(r"[ -.0-~]+")  # printable ASCII without `/`: a folder below /pfs


@dataclass(frozen=True, slots=True)
class CronTicks:
    """When a cron input gets a file.

    Attributes:
        spec: The schedule, see `pachlocal.pfs.history.schedule`.
        overwrite: Whether a new file takes the place of those before.
        start: The first file comes after this (ns since 1970).
    """

    spec: str
    overwrite: bool
    start: int


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
        reference: Whether a datum stays the same when only the content of these files changes.
        cron: When the files come, if the clock makes them.
        trigger: When the branch follows another, if the pipeline is to see to that.
        never: Whether new commits of the branch make no job; None where the spec doesn't say.
        origin: Name, repo and branch: what names the input in the hashes of datums.
    """

    name: str
    branch: BranchName
    glob: str
    join_on: str = ""
    group_by: str = ""
    outer_join: bool = False
    empty_files: bool = False
    reference: bool = False
    cron: CronTicks | None = None
    trigger: Trigger | None = None
    never: bool | None = None
    origin: tuple[str, str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        origin = (self.name, str(self.branch.repo), self.branch.name)
        object.__setattr__(self, "origin", origin)  # once: each datum's hash needs it


@dataclass(frozen=True, slots=True)
class CombinedInput:
    """Several inputs combined: `cross`, `union`, `join` or `group`."""

    kind: str
    arms: tuple[Input, ...]


Input: TypeAlias = "PfsInput | CombinedInput"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose input it is.

    Attributes:
        project: The pipeline's project.
        pipeline: Its name; empty when there is none yet and the datums are only looked at.
        now: The time (ns since 1970).
    """

    project: str = DEFAULT_PROJECT
    pipeline: str = ""
    now: int = 0


def complete_input(input_: Json, owner: Owner | None = None) -> Json:
    """Check an input and fill its defaults in, in place; return it.

    Args:
        input_: The input.
        owner: Whose it is. One that is nobody's is only looked at: as on the real server, its
            inputs may have the same names.

    Raises:
        InvalidArgumentError: It can't be right; the message names the field.
        UnsupportedError: It asks for what only a cluster does.
    """
    whose = owner or Owner(now=time.time_ns())
    if _count(input_) > MAX_INPUTS:
        raise StricterError(f"input: more than {MAX_INPUTS} inputs; take a glob for many")
    _name_triggers(input_, whose, Counter())
    _complete(input_, "input", whose)
    if owner is not None:
        _check_names(input_)
    if found := _s3_input(input_, "input"):  # after everything else has been found right
        raise UnsupportedError(f"{found} needs a Pachyderm cluster; here: read below /pfs")
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
            reference=pfs.get("reference", False),
            trigger=_trigger(pfs["trigger"]) if "trigger" in pfs else None,
            never=(
                pfs["propagation_spec"].get("never", False) if "propagation_spec" in pfs else None
            ),
        )
    if "cron" in input_:
        cron = input_["cron"]
        return PfsInput(
            name=cron["name"],
            branch=BranchName(RepoName(cron["project"], cron["repo"]), "master"),
            glob="/*",
            cron=CronTicks(
                cron["spec"], cron.get("overwrite", False), schedule.parse_time(cron["start"])
            ),
        )
    (kind,) = (kind for kind in COMBINATIONS if kind in input_)
    return CombinedInput(kind, tuple(parse_input(arm) for arm in input_[kind]))


def pfs_inputs(input_: Input) -> Iterator[PfsInput]:
    """Yield the leaves of an input, in order."""
    if isinstance(input_, PfsInput):
        yield input_
    else:
        for arm in input_.arms:
            yield from pfs_inputs(arm)


def _count(input_: Json) -> int:
    arms = [arm for kind in COMBINATIONS for arm in input_.get(kind, ())]
    return sum(map(_count, arms)) if arms else 1


def _complete(input_: Json, where: str, owner: Owner) -> None:
    kinds = [kind for kind in ("pfs", "cron", *COMBINATIONS) if kind in input_]
    if not kinds:
        raise InvalidArgumentError(f"{where}: no input set")
    if len(kinds) > 1:
        raise InvalidArgumentError(f"{where}: multiple input types set ({', '.join(kinds)})")
    (kind,) = kinds
    if kind == "cron":
        _complete_cron(input_["cron"], f"{where}.cron", owner)
        return
    if kind == "pfs":
        _complete_pfs(input_["pfs"], f"{where}.pfs", owner)
        return
    if not input_[kind]:
        raise InvalidArgumentError(f"{where}.{kind}: no input set")
    for index, arm in enumerate(input_[kind]):
        _complete(arm, f"{where}.{kind}[{index}]", owner)
    if kind != "cross" and (found := _s3_input(input_, where)):
        raise InvalidArgumentError(f"{found}: S3 inputs in {kind} expressions are not supported")


def _complete_pfs(pfs: Json, where: str, owner: Owner) -> None:
    if not pfs.get("repo") and not pfs.get("name"):
        raise InvalidArgumentError(f"{where}: input must specify a name and a repo")
    if not pfs.get("repo"):
        raise InvalidArgumentError(f"{where}: input must specify a repo")
    if not owner.pipeline:
        pfs.setdefault("glob", "/")  # only pipelines have to have one
    if not pfs.get("glob"):
        raise InvalidArgumentError(f"{where}: input must specify a glob")
    if pfs.get("commit"):
        raise InvalidArgumentError(
            f"{where}: input cannot come from a commit; "
            "use a branch with head pointing to the commit"
        )
    if pfs.get("s3"):
        _check_s3(pfs, where)
    pfs["glob"] = paths.clean(pfs["glob"])
    glob = compile_glob(pfs["glob"])
    for template in ("join_on", "group_by"):
        try:
            glob.check_template(pfs.get(template, ""))
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{where}.{template}: {error}") from None
    pfs.setdefault("project", owner.project)
    pfs.setdefault("name", pfs["repo"])
    pfs.setdefault("branch", "master")
    pfs.setdefault("repo_type", USER)
    validate_branch_name(pfs["branch"])
    _check_reserved(pfs["name"], where)
    if "trigger" in pfs:
        triggers.check(_trigger(pfs["trigger"]))


def _check_s3(pfs: Json, where: str) -> None:
    """Refuse what the real server doesn't serve by S3 either."""
    if pfs["glob"] != "/":
        raise InvalidArgumentError(f"{where}: an input with s3 must have the glob /")
    for name in ("lazy", "empty_files"):
        if pfs.get(name):
            raise InvalidArgumentError(f"{where}: input cannot specify both s3 and {name}")


def _s3_input(input_: Json, where: str) -> str | None:
    """Return the place of the first input that is to be read by S3, if there is one."""
    if input_.get("pfs", {}).get("s3"):
        return f"{where}.pfs.s3"
    for kind in COMBINATIONS:
        for index, arm in enumerate(input_.get(kind, ())):
            if found := _s3_input(arm, f"{where}.{kind}[{index}]"):
                return found
    return None


def _name_triggers(input_: Json, owner: Owner, seen: Counter[str]) -> None:
    """Name the branches of the inputs that have a trigger and no branch."""
    pfs = input_.get("pfs", {})
    if "trigger" in pfs and not pfs.get("branch"):
        seen[pfs.get("repo", "")] += 1
        pfs["branch"] = f"{owner.pipeline}-trigger-{seen[pfs.get('repo', '')]}"
        pfs["trigger"].setdefault("branch", "master")
    for kind in COMBINATIONS:
        for arm in input_.get(kind, ()):
            _name_triggers(arm, owner, seen)


def _trigger(value: Json) -> Trigger:
    return Trigger(
        branch=value.get("branch", ""),
        all=value.get("all", False),
        rate_limit_spec=value.get("rate_limit_spec", ""),
        size=value.get("size", ""),
        commits=int(value.get("commits", 0)),
        cron_spec=value.get("cron_spec", ""),
    )


def _complete_cron(cron: Json, where: str, owner: Owner) -> None:
    if not owner.pipeline:
        raise InvalidArgumentError(
            "can't list datums with a cron input, there will be no datums until the pipeline "
            "is created"
        )
    if not cron.get("name"):
        raise InvalidArgumentError(f"{where}: input must specify a name")
    _check_reserved(cron["name"], where)
    if cron.get("commit"):
        raise InvalidArgumentError(f"{where}: input cannot come from a commit")
    try:
        schedule.parse(cron.get("spec", ""))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{where}: error parsing cron-spec: {error}") from None
    cron.setdefault("project", owner.project)
    cron.setdefault("repo", f"{owner.pipeline}_{cron['name']}")
    validate_name(cron["repo"])
    cron.setdefault("start", schedule.format_time(owner.now))


def _check_reserved(name: str, where: str) -> None:
    if name in _RESERVED_NAMES or not _FOLDER_NAME.fullmatch(name):
        raise InvalidArgumentError(f"{where}: input cannot be named {name}")


def _check_names(input_: Json) -> set[str]:
    """Refuse two inputs of one name in one datum; the arms of a union are never in one datum."""
    for leaf in ("pfs", "cron"):
        if leaf in input_:
            return {input_[leaf]["name"]}
    (kind,) = (kind for kind in COMBINATIONS if kind in input_)
    seen: set[str] = set()
    for arm in input_[kind]:
        names = _check_names(arm)
        if kind != "union" and names & seen:
            raise InvalidArgumentError(f'name "{min(names & seen)}" was used more than once')
        seen |= names
    return seen
