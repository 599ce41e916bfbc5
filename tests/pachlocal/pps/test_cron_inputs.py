from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pachlocal.errors import ConflictError, InvalidArgumentError
from pachlocal.pfs import branches, commits, history, repos, tree
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import Filter
from pachlocal.pfs.names import BranchName, CommitName, RepoName
from pachlocal.pfs.schedule import format_time, parse_time
from pachlocal.pps import cron, jobs, pipelines
from pachlocal.pps.clock import Clock
from pachlocal.pps.inputs import Owner, complete_input
from pachlocal.pps.pipelines import PipelineInfo

NOON = parse_time("2024-02-29T12:00:00Z")
REPO = RepoName("default", "report_tick")
SECOND = 1_000_000_000


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileSystem]:
    files = FileSystem(tmp_path)
    files.before_commit.append(jobs.create_for_new_commits)
    yield files
    files.close()


class Watch:
    """A clock that stands at noon until it is set."""

    def __init__(self, files: FileSystem) -> None:
        self.now = NOON
        self.clock = Clock(files, lambda: self.now)

    def advance(self, seconds: float) -> str | None:
        self.now += int(seconds * SECOND)
        due = self.clock.advance()
        return None if due is None else format_time(due)


def create(files: FileSystem, *, update: bool = False, **fields: Any) -> PipelineInfo:
    fields = {"name": "tick", "spec": "@every 10s", "start": "2024-02-29T12:00:00Z"} | fields
    spec = {
        "pipeline": {"name": "report"},
        "transform": {"image": "x", "cmd": ["true"]},
        "input": {"cron": fields},
    }
    with files.transaction() as tx:
        return pipelines.create(tx, files.objects, spec, update=update)


def ticks(files: FileSystem) -> list[str]:
    with files.snapshot() as connection:
        head = branches.head(connection, branches.key_of(connection, BranchName(REPO, "master")))
    assert head is not None
    return [path[1:] for path, _ in tree.files(files.objects, head.root)]


def count(files: FileSystem, repo: RepoName) -> int:
    with files.snapshot() as connection:
        return len(list(history.list_commits(connection, repo, Filter())))


def job_count(files: FileSystem) -> int:
    with files.snapshot() as connection:
        return len(list(jobs.list_jobs(connection)))


def test_the_repo_is_made_with_the_pipeline_and_goes_with_it(files: FileSystem) -> None:
    info = create(files)
    assert cron.cron_inputs(info.spec)[0].branch == BranchName(REPO, "master")
    with files.snapshot() as connection:
        description = repos.inspect_repo(connection, REPO).description
        output = branches.inspect(connection, info.spec.output)
    assert set(output.direct_provenance) == {BranchName(REPO, "master"), info.spec.versions}
    assert description == "Cron tick repo for pipeline default/report."
    with files.transaction() as tx:
        pipelines.delete(tx, files.objects, info, force=False, keep_repo=True)
    with files.snapshot() as connection:
        assert [str(repo.name) for repo in repos.list_repos(connection, "")] == ["default/report"]


def test_a_tick_is_a_commit_with_a_file_of_its_time_and_a_job(files: FileSystem) -> None:
    create(files)
    watch = Watch(files)
    assert (watch.advance(0), ticks(files), job_count(files)) == ("2024-02-29T12:00:10Z", [], 1)
    assert watch.advance(9.9) == "2024-02-29T12:00:10Z"
    assert (ticks(files), job_count(files)) == ([], 1)
    assert watch.advance(0.1) == "2024-02-29T12:00:20Z"
    assert (ticks(files), job_count(files)) == (["2024-02-29T12:00:10Z"], 2)
    assert watch.advance(10) == "2024-02-29T12:00:30Z"
    assert ticks(files) == ["2024-02-29T12:00:10Z", "2024-02-29T12:00:20Z"]
    assert (count(files, REPO), job_count(files)) == (3, 3)


def test_overwrite_leaves_the_newest_file_only(files: FileSystem) -> None:
    create(files, overwrite=True)
    watch = Watch(files)
    watch.advance(10)
    watch.advance(10)
    assert ticks(files) == ["2024-02-29T12:00:20Z"]


def test_what_was_missed_comes_in_one_commit(files: FileSystem) -> None:
    create(files)
    Watch(files).advance(10)
    later = Watch(files)  # of another daemon
    assert later.advance(45) == "2024-02-29T12:00:50Z"
    assert ticks(files) == [f"2024-02-29T12:00:{second}Z" for second in (10, 20, 30, 40)]
    assert (count(files, REPO), job_count(files)) == (3, 3)


def test_much_that_was_missed_comes_in_pieces(files: FileSystem) -> None:
    create(files, spec="@every 1s")
    assert Watch(files).advance(2500) == "2024-02-29T12:41:41Z"
    assert (len(ticks(files)), count(files, REPO)) == (2500, 4)


def test_a_stopped_pipeline_does_not_tick_and_makes_up_for_it(files: FileSystem) -> None:
    info = create(files)
    watch = Watch(files)
    with files.transaction() as tx:
        pipelines.stop(tx, files.objects, info)
    assert (watch.advance(25), ticks(files)) == (None, [])
    with files.transaction() as tx:
        pipelines.start(tx, pipelines.by_key(tx.connection, info.key))
    assert watch.advance(0) == "2024-02-29T12:00:30Z"
    assert ticks(files) == ["2024-02-29T12:00:10Z", "2024-02-29T12:00:20Z"]


def test_an_update_changes_the_rhythm(files: FileSystem) -> None:
    create(files)
    watch = Watch(files)
    watch.advance(10)
    create(files, update=True, spec="@hourly")
    assert watch.advance(0) == "2024-02-29T13:00:00Z"


def test_a_start_that_is_later_than_the_last_tick_counts(files: FileSystem) -> None:
    create(files)
    watch = Watch(files)
    watch.advance(10)
    create(files, update=True, start="2024-03-01T00:00:00Z")
    assert watch.advance(60) == "2024-03-01T00:00:10Z"
    assert ticks(files) == ["2024-02-29T12:00:10Z"]


def test_somebody_elses_file_is_no_tick(files: FileSystem) -> None:
    create(files)
    with files.modify(CommitName(REPO, ""), "master") as modification:
        modification.add("/zebra", b"stripes")
    assert Watch(files).advance(10) == "2024-02-29T12:00:20Z"
    assert ticks(files) == ["2024-02-29T12:00:10Z", "zebra"]


def test_run_cron_ticks_at_once(files: FileSystem) -> None:
    info = create(files, spec="@yearly")
    cron.run(files, info.spec, NOON + 3 * SECOND + 5)
    assert ticks(files) == ["2024-02-29T12:00:03Z"]
    with files.snapshot() as connection:
        newest = next(jobs.list_jobs(connection))
        assert commits.by_key(connection, newest.output).origin == 2  # AUTO


def test_run_cron_needs_a_cron_input(files: FileSystem) -> None:
    spec = {
        "pipeline": {"name": "copy"},
        "transform": {"image": "x", "cmd": ["true"]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    with files.transaction() as tx:
        repos.create_repo(tx, RepoName("default", "data"), update=False)
        info = pipelines.create(tx, files.objects, spec)
    with pytest.raises(ConflictError, match="pipeline doesn't have a cron input"):
        cron.run(files, info.spec, NOON)


def test_start_defaults_to_the_pipelines_creation() -> None:
    input_ = {"cron": {"name": "tick", "spec": "@daily"}}
    assert complete_input(input_, Owner("p", "report", NOON)) == {
        "cron": {
            "name": "tick",
            "spec": "@daily",
            "project": "p",
            "repo": "report_tick",
            "start": "2024-02-29T12:00:00Z",
        }
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "input.cron: input must specify a name"),
        ({"name": "out"}, "input.cron: input cannot be named out"),
        ({"spec": "sometimes"}, "input.cron: error parsing cron-spec: 'sometimes' has 1 fields"),
        ({"spec": ""}, "error parsing cron-spec"),
        ({"commit": "master"}, "input cannot come from a commit"),
    ],
)
def test_what_is_refused(files: FileSystem, fields: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        create(files, **fields)


def test_datums_can_not_be_listed_beforehand() -> None:
    with pytest.raises(InvalidArgumentError, match="can't list datums with a cron input"):
        complete_input({"cron": {"name": "tick", "spec": "@daily"}})


def test_the_thread_ticks_and_ends(files: FileSystem) -> None:
    create(files)
    watch = Watch(files)
    watch.clock.start()
    watch.now += 10 * SECOND
    files.database.news.wake()
    assert files.database.news.wait_until(lambda: ticks(files) != [], lambda: True)
    watch.clock.close()
    assert ticks(files) == ["2024-02-29T12:00:10Z"]
