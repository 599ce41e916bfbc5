from __future__ import annotations

from typing import Any

import pytest
from pps_world import Run, World, repo

from pachlocal.errors import FailedPreconditionError, InvalidArgumentError, UnsupportedError
from pachlocal.pfs.history import branches, commits, history
from pachlocal.pfs.history.names import SPEC, BranchName, CommitName
from pachlocal.pfs.history.records import OriginKind
from pachlocal.pps.run import long_running
from pachlocal.pps.spec.spec import effective
from pachlocal.pps.spec.states import PipelineState
from pachlocal.pps.tables import pipelines
from pachlocal.pps.tables.log_reading import LogFilter
from pachlocal.pps.tables.logs import LogWriter
from pachlocal.runtime.contract import Port

OUT = BranchName(repo("source"), "master")


def make_spout(cmd: str = "pour", **more: Any) -> dict[str, Any]:
    return {
        "pipeline": {"name": "source"},
        "transform": {"image": "fake", "cmd": [cmd]},
        "spout": {},
        **more,
    }


@pytest.fixture
def quick(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store whose spouts start again at once."""
    monkeypatch.setattr(long_running, "_PAUSES_S", (0.0,))
    return world


def wait(run: Run) -> None:
    run.wait_until(lambda: False)


def origins(world: World) -> list[OriginKind]:
    with world.files.snapshot() as connection:
        listed = history.list_commits(connection, OUT.repo, history.Filter())
        return [info.origin for info in listed]


def test_it_has_one_finished_commit_and_no_job(world: World) -> None:
    world.runtime.programs["pour"] = wait
    info = world.create(make_spout())
    commit = world.commit("source")
    assert (commit.finished is None, commit.origin) == (False, OriginKind.AUTO)
    assert commit.provenance == (CommitName(repo("source", SPEC), info.spec_commit),)
    assert world.jobs("source") == []
    assert info.spec.spout


def test_its_program_runs_without_a_job_and_knows_where_it_is(world: World) -> None:
    world.runtime.programs["pour"] = wait
    info = world.create(make_spout(parallelism_spec={"constant": "2"}))
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 2)
    env = world.runtime.runs[0].invocation.env
    assert (env["PPS_PIPELINE_NAME"], env["PPS_SPEC_COMMIT"]) == ("source", info.spec_commit)
    assert env["PACH_IN_WORKER"] == "true"
    assert "PACH_JOB_ID" not in env
    assert {run.worker for run in world.runtime.runs} == {
        "default-source-v1-0",
        "default-source-v1-1",
    }


def test_anybody_may_commit_to_its_output_and_jobs_follow(world: World) -> None:
    world.runtime.programs["pour"] = lambda run: (
        world.put("source", {"/drop": b"x"}) and run.wait_until(lambda: False)
    )
    world.create(make_spout())
    world.create(
        {
            "pipeline": {"name": "reader"},
            "transform": {"image": "fake", "cmd": ["copy"]},
            "input": {"pfs": {"repo": "source", "glob": "/*"}},
        }
    )
    world.wait_until(lambda: origins(world)[0] is OriginKind.USER)
    commit = world.commit("source")
    assert [source.repo.type for source in commit.provenance] == [SPEC]
    world.wait_until(lambda: world.job("reader").state.is_terminal)
    world.succeed("reader")
    assert world.content("reader") == {"/drop": b"x"}
    assert world.jobs("source") == []


def test_a_commit_can_be_started_and_finished(world: World) -> None:
    world.runtime.programs["pour"] = wait
    world.create(make_spout())
    started = world.start_commit("source")
    with world.files.transaction() as tx:
        commits.finish(tx, world.files.objects, started)
    assert origins(world) == [OriginKind.USER, OriginKind.AUTO]


def test_other_output_branches_stay_closed(world: World) -> None:
    world.make_repos("data")
    world.create(
        {
            "pipeline": {"name": "copy"},
            "transform": {"image": "fake", "cmd": ["copy"]},
            "input": {"pfs": {"repo": "data", "glob": "/*"}},
        }
    )
    with pytest.raises(FailedPreconditionError, match="cannot start a commit on an output branch"):
        world.start_commit("copy")


def test_a_program_that_ends_starts_again(quick: World) -> None:
    def pour(run: Run) -> int:
        run.say(f"drop {len(quick.runtime.runs)}")
        if len(quick.runtime.runs) == 3:
            quick.runtime.raise_flag("third")
            wait(run)
        return 7

    quick.runtime.programs["pour"] = pour
    info = quick.create(make_spout())
    quick.runtime.wait_until(lambda: "third" in quick.runtime.open_flags)
    quick.logs.close()
    quick.logs = LogWriter(quick.files.database)
    lines = quick.log(LogFilter(pipeline=info.key))
    assert [(line.message, line.user, line.master) for line in lines] == [
        ("spout spawner started", False, True),
        ("drop 1", True, False),
        ("the program ended with exit code 7; it starts again in 0s", False, False),
        ("drop 2", True, False),
        ("the program ended with exit code 7; it starts again in 0s", False, False),
        ("drop 3", True, False),
    ]


def test_a_stopped_spout_runs_nothing_and_starts_again(world: World) -> None:
    world.runtime.programs["pour"] = wait
    info = world.create(make_spout())
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    with world.files.transaction() as tx:
        pipelines.stop(tx, world.files.objects, info)
    world.runtime.wait_until(lambda: world.runtime.runs[0].killed)
    with world.files.transaction() as tx:
        pipelines.start(tx, world.pipeline("source"))
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 2)
    assert world.pipeline("source").state is PipelineState.RUNNING
    assert world.jobs("source") == []
    assert world.commit("source").finished is not None


def test_an_update_runs_the_new_program(world: World) -> None:
    world.runtime.programs |= {"pour": wait, "drip": wait}
    world.create(make_spout())
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    world.create(make_spout("drip"), update=True)
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 2)
    assert world.runtime.runs[0].killed
    assert world.runtime.runs[1].invocation.cmd == ("drip",)


def test_a_restarted_daemon_runs_it_again(world: World) -> None:
    world.runtime.programs["pour"] = wait
    world.create(make_spout())
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    world.restart()
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 2)
    assert len(origins(world)) == 1


def test_it_is_deleted_with_its_output(world: World) -> None:
    world.runtime.programs["pour"] = wait
    info = world.create(make_spout())
    with world.files.transaction() as tx:
        pipelines.delete(tx, world.files.objects, info, force=False, keep_repo=False)
    with world.files.snapshot() as connection:
        assert branches.find(connection, OUT) is None
    world.runtime.wait_until(lambda: all(run.killed for run in world.runtime.runs))


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"input": {"pfs": {"repo": "a", "glob": "/"}}}, InvalidArgumentError, "not have an input"),
        ({"autoscaling": True}, InvalidArgumentError, "autoscaling can't be used with spouts"),
        (
            {"spout": {"service": {}}},
            InvalidArgumentError,
            r"spout\.service\.internal_port is missing",
        ),
        (
            {"spout": {"service": {"internal_port": 1}}, "parallelism_spec": {"constant": "2"}},
            UnsupportedError,
            "several workers",
        ),
        (
            {"spout": {"service": {"internal_port": 1}}, "input": {"pfs": {"repo": "a"}}},
            UnsupportedError,
            "leave input out",
        ),
    ],
)
def test_what_is_refused(more: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        effective(make_spout(**more))


def test_its_program_is_reached_at_a_port(world: World) -> None:
    world.runtime.programs["pour"] = wait
    info = world.create(make_spout(spout={"service": {"internal_port": 80}}))
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    assert info.spec.port == Port(80, 80, apart=False)
    assert [spec.port for spec in world.runtime.opened] == [info.spec.port]
    assert not info.spec.service


def test_it_stays_what_it_is(world: World) -> None:
    world.runtime.programs["pour"] = wait
    world.make_repos("data")
    world.create(make_spout())
    spec = make_spout(input={"pfs": {"repo": "data", "glob": "/*"}})
    del spec["spout"]
    with pytest.raises(InvalidArgumentError, match="can't become another kind of pipeline"):
        world.create(spec, update=True)


def test_the_pauses_grow() -> None:
    assert long_running._PAUSES_S == (1, 2, 4, 8, 16, 32, 60)
