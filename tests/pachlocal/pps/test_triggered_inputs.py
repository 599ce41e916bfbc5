from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, repos
from pachlocal.pfs.history.names import BranchName, CommitName, RepoName
from pachlocal.pfs.history.schedule import SECOND
from pachlocal.pfs.history.triggers import Trigger
from pachlocal.pps.run.clock import Clock
from pachlocal.pps.tables import jobs, pipelines
from pachlocal.pps.tables.pipelines import PipelineInfo

DATA = RepoName("default", "data")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    files.before_commit.append(jobs.create_for_new_commits)
    with files.transaction() as tx:
        repos.create_repo(tx, DATA, update=False)
        branches.create(tx, BranchName(DATA, "master"))
    yield files
    files.close()


def create(files: FileSystem, input_: dict[str, Any], *, update: bool = False) -> PipelineInfo:
    spec = {
        "pipeline": {"name": "copy"},
        "transform": {"image": "x", "cmd": ["true"]},
        "input": input_,
    }
    with files.transaction() as tx:
        return pipelines.create(tx, files.objects, spec, update=update)


def pfs(**fields: Any) -> dict[str, Any]:
    return {"pfs": {"repo": "data", "glob": "/*"} | fields}


def put(files: FileSystem) -> None:
    with files.modify(CommitName(DATA, ""), "master") as modification:
        modification.add("/file", b"x")


def job_count(files: FileSystem) -> int:
    with files.snapshot() as connection:
        return len(list(jobs.list_jobs(connection)))


def test_an_input_with_a_trigger_has_a_branch_of_the_pipelines_own(files: FileSystem) -> None:
    info = create(files, pfs(trigger={"commits": "2"}))
    branch = BranchName(DATA, "copy-trigger-1")
    with files.snapshot() as connection:
        found = branches.inspect(connection, branch)
    assert found.trigger == Trigger("master", commits=2)
    assert info.effective_spec["input"]["pfs"]["branch"] == "copy-trigger-1"
    assert found.subvenance[-1].repo.name == "copy"


def test_jobs_come_when_it_fires(files: FileSystem) -> None:
    create(files, pfs(trigger={"commits": "2"}))
    counts = []
    for _ in range(4):
        put(files)
        counts.append(job_count(files))
    assert counts == [1, 2, 2, 3]  # the first is from the pipeline's creation


def test_branches_are_counted_for_each_repo(files: FileSystem) -> None:
    with files.transaction() as tx:
        repos.create_repo(tx, RepoName("default", "other"), update=False)
        for repo in (DATA, RepoName("default", "other")):
            for name in ("master", "staging"):
                branches.create(tx, BranchName(repo, name))
    trigger = {"size": "1k"}
    info = create(
        files,
        {
            "cross": [
                pfs(trigger=trigger),
                pfs(repo="other", trigger={"branch": "staging"} | trigger),
            ]
        },
    )
    arms = [arm["pfs"] for arm in info.effective_spec["input"]["cross"]]
    assert [arm["branch"] for arm in arms] == ["copy-trigger-1", "copy-trigger-1"]
    assert [arm["trigger"]["branch"] for arm in arms] == ["master", "staging"]


def test_a_named_branch_gets_the_trigger(files: FileSystem) -> None:
    create(files, pfs(branch="ripe", trigger={"branch": "master", "commits": "1"}))
    put(files)
    with files.snapshot() as connection:
        ripe, master = (
            branches.inspect(connection, BranchName(DATA, name)) for name in ("ripe", "master")
        )
    assert ripe.head == master.head


def test_an_update_changes_the_trigger_and_keeps_the_head(files: FileSystem) -> None:
    create(files, pfs(trigger={"commits": "1"}))
    put(files)
    create(files, pfs(trigger={"commits": "5"}), update=True)
    with files.snapshot() as connection:
        info = branches.inspect(connection, BranchName(DATA, "copy-trigger-1"))
        master = branches.inspect(connection, BranchName(DATA, "master"))
    assert (info.trigger, info.head) == (Trigger("master", commits=5), master.head)


def test_the_clock_fires_what_has_a_cron_spec(files: FileSystem) -> None:
    create(files, pfs(trigger={"cron_spec": "@every 60s"}))
    with files.snapshot() as connection:
        key = branches.key_of(connection, BranchName(DATA, "copy-trigger-1"))
        head = branches.head(connection, key)
    assert head is not None
    begin = head.started // SECOND * SECOND
    now = begin
    clock = Clock(files, lambda: now)
    put(files)
    assert (clock.advance(), job_count(files)) == (begin + 60 * SECOND, 1)
    now = begin + 60 * SECOND
    assert (clock.advance(), job_count(files)) == (begin + 120 * SECOND, 2)
    now = begin + 200 * SECOND  # two times were missed: once will do
    assert (Clock(files, lambda: now).advance(), job_count(files)) == (begin + 240 * SECOND, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trigger": {"size": "much"}}, "invalid trigger size"),
        ({"branch": "master", "trigger": {"branch": "master"}}, "triggers cannot form a loop"),
        ({"branch": "ripe", "trigger": {"commits": "1"}}, "triggers must specify a branch"),
    ],
)
def test_what_is_refused(files: FileSystem, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        create(files, pfs(**fields))
