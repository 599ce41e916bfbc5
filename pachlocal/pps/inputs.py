"""A pipeline's input: checked, completed with defaults, and as values.

See https://docs.pachyderm.com/latest/build-dags/pipeline-spec/input/ for what the fields mean.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from pachlocal.errors import InvalidArgumentError, UnsupportedError
from pachlocal.pfs import paths, schedule, triggers
from pachlocal.pfs.globs import compile_glob
from pachlocal.pfs.names import DEFAULT_PROJECT, USER, BranchName, RepoName, validate_name
from pachlocal.pfs.triggers import Trigger

Json: TypeAlias = dict[str, Any]

_COMBINED = ("cross", "union", "join", "group")
_RESERVED_NAMES = ("out", ".env", ".", "..")
_FOLDER_NAME = re.compile(r"[ -.0-~]+")  # printable ASCII without `/`: a folder below /pfs


@dataclass(frozen=True, slots=True)
class CronTicks:
    """When a cron input gets a file.

    Attributes:
        spec: The schedule, see `pachlocal.pfs.schedule`.
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

    Raises:
        InvalidArgumentError: It can't be right; the message names the field.
        UnsupportedError: It asks for what only a cluster does.
    """
    whose = owner or Owner(now=time.time_ns())
    _name_triggers(input_, whose, Counter())
    _complete(input_, "input", whose)
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
            reference=pfs.get("reference", False),
            trigger=_trigger(pfs["trigger"]) if "trigger" in pfs else None,
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
    (kind,) = (kind for kind in _COMBINED if kind in input_)
    return CombinedInput(kind, tuple(parse_input(arm) for arm in input_[kind]))


def pfs_inputs(input_: Input) -> Iterator[PfsInput]:
    """Yield the leaves of an input, in order."""
    if isinstance(input_, PfsInput):
        yield input_
    else:
        for arm in input_.arms:
            yield from pfs_inputs(arm)


def _complete(input_: Json, where: str, owner: Owner) -> None:
    kinds = [kind for kind in ("pfs", "cron", *_COMBINED) if kind in input_]
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


def _complete_pfs(pfs: Json, where: str, owner: Owner) -> None:
    if not pfs.get("repo"):
        raise InvalidArgumentError(f"{where}: input must specify a repo")
    if not pfs.get("glob"):
        raise InvalidArgumentError(f"{where}: input must specify a glob")
    if pfs.get("commit"):
        raise InvalidArgumentError(
            f"{where}: input cannot come from a commit; "
            "use a branch with head pointing to the commit"
        )
    if pfs.get("s3"):
        raise UnsupportedError(f"{where}.s3 needs a Pachyderm cluster; here: read below /pfs")
    pfs["glob"] = paths.clean(pfs["glob"]) if pfs["glob"] != "/" else "/"
    compile_glob(pfs["glob"])
    pfs.setdefault("project", owner.project)
    pfs.setdefault("name", pfs["repo"])
    pfs.setdefault("branch", "master")
    pfs.setdefault("repo_type", USER)
    validate_name(pfs["branch"])
    _check_reserved(pfs["name"], where)
    if "trigger" in pfs:
        triggers.check(_trigger(pfs["trigger"]))


def _name_triggers(input_: Json, owner: Owner, seen: Counter[str]) -> None:
    """Name the branches of the inputs that have a trigger and no branch."""
    pfs = input_.get("pfs", {})
    if "trigger" in pfs and not pfs.get("branch"):
        seen[pfs.get("repo", "")] += 1
        pfs["branch"] = f"{owner.pipeline}-trigger-{seen[pfs.get('repo', '')]}"
        pfs["trigger"].setdefault("branch", "master")
    for kind in _COMBINED:
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
    (kind,) = (kind for kind in _COMBINED if kind in input_)
    seen: set[str] = set()
    for arm in input_[kind]:
        names = _check_names(arm)
        if kind != "union" and names & seen:
            raise InvalidArgumentError(f'name "{min(names & seen)}" was used more than once')
        seen |= names
    return seen
