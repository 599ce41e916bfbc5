from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits, history, repos
from pachlocal.pfs.history.history import Filter
from pachlocal.pfs.history.names import BranchName, CommitName, RepoName
from pachlocal.pfs.history.schedule import format_time, parse_time
from pachlocal.pfs.tree import tree
from pachlocal.pfs.upkeep.collection import collect_garbage
from pachlocal.pps.run import clock
from pachlocal.pps.run.clock import Clock
from pachlocal.pps.spec.inputs import Owner, PfsInput, complete_input
from pachlocal.pps.tables import cron, jobs, pipelines, topics
from pachlocal.pps.tables.pipelines import PipelineInfo

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


def ticks(files: FileSystem, repo: RepoName = REPO) -> list[str]:
    with files.snapshot() as connection:
        head = branches.head(connection, branches.key_of(connection, BranchName(repo, "master")))
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


def test_the_few_ticks_that_were_missed_have_a_commit_each(files: FileSystem) -> None:
    create(files)
    Watch(files).advance(10)
    later = Watch(files)  # of another daemon
    assert later.advance(45) == "2024-02-29T12:00:50Z"
    assert ticks(files) == [f"2024-02-29T12:00:{second}Z" for second in (10, 20, 30, 40)]
    assert (count(files, REPO), job_count(files)) == (5, 5)


def test_each_of_the_few_missed_ticks_overwrites_the_one_before(files: FileSystem) -> None:
    create(files, spec="@every 1h", start="2024-02-28T12:00:00Z", overwrite=True)
    Watch(files).advance(0)
    with files.snapshot() as connection:
        found = list(history.list_commits(connection, REPO, Filter()))
    names = [[path for path, _ in tree.files(files.objects, commit.root)] for commit in found]
    hours = [f"29T{hour:02}" for hour in range(12, -1, -1)] + [f"28T{h}" for h in range(23, 12, -1)]
    assert names == [[f"/2024-02-{hour}:00:00Z"] for hour in hours] + [[]]


def test_much_that_was_missed_comes_in_one_commit(files: FileSystem) -> None:
    create(files, spec="@every 1s")
    assert Watch(files).advance(2500) == "2024-02-29T12:41:41Z"
    assert (len(ticks(files)), count(files, REPO)) == (2500, 2)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("spec", ["@every 1s", "* * * * *"])
def test_of_too_much_that_was_missed_the_last_ticks_come(
    files: FileSystem, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a start in 1970, or a machine whose clock was set wrong."""
    monkeypatch.setattr(clock, "MAX_MISSED", 3)
    create(files, spec=spec, start="1970-01-01T00:00:00Z")
    Watch(files).advance(0)
    last = {"@every 1s": ["11:59:58", "11:59:59", "12:00:00"]}.get(
        spec, ["11:58:00", "11:59:00", "12:00:00"]
    )
    assert ticks(files) == [f"2024-02-29T{time}Z" for time in last]


def test_what_overwrites_makes_up_with_one_file(files: FileSystem) -> None:
    create(files, spec="@every 1s", overwrite=True)
    Watch(files).advance(2500)
    assert ticks(files) == ["2024-02-29T12:41:40Z"]


def test_an_input_that_can_not_tick_does_not_keep_others_from_it(
    files: FileSystem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create(files)
    real_tick = cron.tick

    def tick(files: FileSystem, input_: PfsInput, times: list[int]) -> None:
        if input_.name == "broken":
            raise OSError("the disk is full")
        real_tick(files, input_, times)

    monkeypatch.setattr(cron, "tick", tick)
    for name in ("broken", "other"):
        spec = {
            "pipeline": {"name": name},
            "transform": {"image": "x", "cmd": ["true"]},
            "input": {
                "cron": {"name": name, "spec": "@every 10s", "start": "2024-02-29T12:00:00Z"}
            },
        }
        with files.transaction() as tx:
            pipelines.create(tx, files.objects, spec)
    watch = Watch(files)
    watch.advance(10)
    watch.advance(0)
    assert ticks(files) == ["2024-02-29T12:00:10Z"]
    assert ticks(files, RepoName("default", "other_other")) == ["2024-02-29T12:00:10Z"]
    assert caplog.text.count("the clock fails at") == 1  # not again with every look


def test_a_file_named_by_the_end_of_time_does_no_harm(files: FileSystem) -> None:
    create(files, spec="* * * * *")
    with files.modify(CommitName(REPO, ""), "master") as modification:
        modification.add("/9999-12-31T23:59:59Z", b"")
    assert Watch(files).advance(60) is None


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


def test_the_clock_goes_on_when_the_ticks_before_are_forgotten(files: FileSystem) -> None:
    create(files)
    watch = Watch(files)
    watch.advance(10)
    watch.advance(0)  # now it knows what is there
    with files.transaction() as tx:
        repos.delete_repo(tx, REPO, force=True)
        repos.create_repo(tx, REPO, update=False)
    collect_garbage(files, dry_run=False)
    assert watch.advance(10) == "2024-02-29T12:00:30Z"
    assert ticks(files) == ["2024-02-29T12:00:20Z"]


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
    with pytest.raises(FailedPreconditionError, match="pipeline doesn't have a cron input"):
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
        ({"spec": "sometimes"}, "input.cron: error parsing cron-spec: Expected exactly 5 fields"),
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
    topics.publish(files.database)  # as a scheduler does
    create(files)
    watch = Watch(files)
    watch.clock.start()
    watch.now += 10 * SECOND
    with files.transaction() as tx:
        tx.connection.execute("UPDATE pipelines SET stopped = stopped")
    notifier = files.database.notifier
    for seen in notifier.until(lambda: ticks(files) != []):
        assert notifier.wait(seen, timeout_s=20) != seen, "nothing happened"
    watch.clock.close()
    assert ticks(files) == ["2024-02-29T12:00:10Z"]
