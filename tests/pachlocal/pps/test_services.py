"""Services: which data are served, how their jobs end, and what of a port is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pps_world import FakeRuntime, FakeWorker, Run, World, make_spec, pfs_input, repo

from pachlocal.errors import InvalidArgumentError, PortUnavailableError
from pachlocal.pfs.history import branches, commits
from pachlocal.pfs.history.names import META, BranchName
from pachlocal.pps.run import long_running
from pachlocal.pps.spec.spec import effective
from pachlocal.pps.spec.states import JobState, PipelineState
from pachlocal.pps.tables import pipelines
from pachlocal.pps.tables.log_reading import LogFilter
from pachlocal.runtime.contract import Port, WorkerSpec

PORT = {"internal_port": 8000}
RUNNING, SUCCESS = JobState.RUNNING, JobState.SUCCESS


def make_service(input_: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return make_spec("web", input_ or pfs_input("data", "/"), "serve", service=PORT, **more)


def serve(run: Run) -> None:
    run.wait_until(lambda: False)


@pytest.fixture
def quick(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store with a repo `data`, whose services start again at once."""
    monkeypatch.setattr(long_running, "_PAUSES_S", (0.0,))
    world.runtime.programs["serve"] = serve
    world.make_repos("data")
    return world


@pytest.fixture
def serving(quick: World) -> World:
    """A service that serves the file `/a` with a `1` in it."""
    quick.put("data", {"/a": b"1"})
    quick.create(make_service())
    quick.runtime.wait_until(lambda: len(quick.runtime.runs) == 1)
    return quick


def states(world: World) -> list[JobState]:
    return [job.state for job in world.jobs("web")]


def runs(world: World, count: int) -> list[Run]:
    """Wait until the program has been started so many times."""
    world.runtime.wait_until(lambda: len(world.runtime.runs) >= count)
    assert len(world.runtime.runs) == count
    return world.runtime.runs


def test_a_job_runs_while_its_data_are_served(serving: World) -> None:
    [run] = serving.runtime.runs
    [job] = serving.jobs("web")
    assert job.state is RUNNING
    assert run.inputs == {"data/a": b"1"}
    env = run.invocation.env
    assert (env["PACH_JOB_ID"], env["data"]) == (job.id, "/pfs/data")
    assert env["data_COMMIT"] == serving.commit("data").name.id
    assert serving.commit("web").finished is None
    assert serving.pipeline("web").spec.port == Port(8000, 8000, apart=True)
    assert [spec.port for spec in serving.runtime.opened] == [Port(8000, 8000, apart=True)]


def test_it_has_no_records_of_datums(serving: World) -> None:
    [job] = serving.jobs("web")
    with serving.files.snapshot() as connection:
        assert commits.find_in_set(connection, repo("web", META), job.id) is None
    assert serving.datums(job) == []


def test_a_new_commit_is_served_instead_of_the_last(serving: World) -> None:
    serving.put("data", {"/a": b"2"})
    old, new = runs(serving, 2)
    assert (old.killed, new.killed) == (True, False)
    assert new.inputs == {"data/a": b"2"}
    serving.wait_until(lambda: states(serving) == [SUCCESS, RUNNING])
    first = serving.jobs("web")[0]
    assert first.reason == ""
    assert serving.content("web", first.id) == {}
    assert serving.commit("web", first.id).error == ""


def test_a_commit_that_is_not_finished_leaves_the_last_one_served(serving: World) -> None:
    started = serving.start_commit("data")
    serving.wait_until(lambda: states(serving) == [RUNNING, JobState.STARTING])
    assert [run.killed for run in serving.runtime.runs] == [False]
    with serving.files.transaction() as tx:
        commits.finish(tx, serving.files.objects, started)
    serving.wait_until(lambda: states(serving) == [SUCCESS, RUNNING])


def test_a_failed_input_leaves_the_last_one_served(serving: World) -> None:
    started = serving.start_commit("data")
    with serving.files.transaction() as tx:
        commits.finish(tx, serving.files.objects, started, error="broken")
    serving.wait_until(lambda: states(serving) == [RUNNING, JobState.UNRUNNABLE])
    assert serving.job("web").reason == (
        "unrunnable because the following upstream pipelines failed: default/data"
    )
    assert [run.killed for run in serving.runtime.runs] == [False]


@pytest.mark.parametrize(("count", "word"), [(0, "none"), (2, "several")])
def test_it_has_a_single_datum(quick: World, count: int, word: str) -> None:
    quick.put("data", {f"/{number}": b"" for number in range(count)})
    quick.create(make_service(pfs_input("data", "/*")))
    job = quick.wait("web")
    expected = f"services must have a single datum, and the input has {word}"
    assert (job.state, job.reason) == (JobState.FAILURE, expected)
    quick.put("data", {"/9": b"9"}, delete=[f"/{number}" for number in range(count)])
    assert runs(quick, 1)[0].inputs == {"data/9": b"9"}


def test_of_what_came_meanwhile_the_newest_is_served(quick: World) -> None:
    info = quick.create(make_service())
    quick.wait("web")
    quick.scheduler.close()
    for number in range(3):
        quick.put("data", {"/a": b"%d" % number})
    quick.restart()
    assert runs(quick, 1)[0].inputs == {"data/a": b"2"}
    quick.wait_until(lambda: states(quick)[1:] == [SUCCESS, SUCCESS, RUNNING])
    assert quick.job("web").version == info.version


def test_a_program_that_ends_starts_again_in_its_job(quick: World) -> None:
    def end_once(run: Run) -> int:
        if len(quick.runtime.runs) > 1:
            serve(run)
        return 3

    quick.runtime.programs["serve"] = end_once
    quick.put("data", {"/a": b"1"})
    info = quick.create(make_service())
    first, second = runs(quick, 2)
    assert first.invocation.env == second.invocation.env
    wanted = LogFilter(pipeline=info.key, job=quick.job("web").key)
    line = quick.wait_for_line("ended", wanted)
    assert line == "the program ended with exit code 3; it starts again in 0s"
    assert states(quick) == [RUNNING]
    assert quick.pipeline("web").state is PipelineState.RUNNING


def test_a_stopped_job_s_data_are_no_longer_served(serving: World) -> None:
    serving.end(serving.job("web"))
    serving.runtime.wait_until(lambda: serving.runtime.runs[0].killed)
    serving.put("data", {"/a": b"2"})
    assert runs(serving, 2)[1].inputs == {"data/a": b"2"}


def test_a_stopped_pipeline_serves_nothing_and_starts_again(serving: World) -> None:
    with serving.files.transaction() as tx:
        pipelines.stop(tx, serving.files.objects, serving.pipeline("web"))
    serving.runtime.wait_until(lambda: serving.runtime.runs[0].killed)
    assert states(serving) == [JobState.KILLED]
    with serving.files.transaction() as tx:
        pipelines.start(tx, serving.pipeline("web"))
    assert runs(serving, 2)[1].inputs == {"data/a": b"1"}
    assert states(serving) == [JobState.KILLED, RUNNING]


def test_a_restarted_daemon_serves_the_same_job(serving: World) -> None:
    serving.restart()
    runs(serving, 2)
    [job] = serving.jobs("web")
    assert (job.state, job.restart) == (RUNNING, 1)


def test_an_update_serves_with_the_new_program(serving: World) -> None:
    spec = make_service()
    spec["transform"]["cmd"] = ["serve", "better"]
    serving.create(spec, update=True)
    old, new = runs(serving, 2)
    assert old.killed
    assert new.invocation.cmd == ("serve", "better")
    assert states(serving) == [JobState.KILLED, RUNNING]


def test_another_pipeline_becomes_a_service_and_the_reverse(quick: World) -> None:
    quick.put("data", {"/a": b"1"})
    quick.create(make_spec("web", pfs_input("data", "/")))
    quick.succeed("web")
    quick.create(make_service(), update=True)
    runs(quick, 2)
    with quick.files.snapshot() as connection:
        meta = branches.inspect(connection, BranchName(repo("web", META), "master"))
    assert meta.direct_provenance == ()
    quick.create(make_spec("web", pfs_input("data", "/")), update=True)
    quick.succeed("web")
    assert quick.content("web") == {"/a": b"1"}


def test_a_deleted_one_ends(serving: World) -> None:
    with serving.files.transaction() as tx:
        info = serving.pipeline("web")
        pipelines.delete(tx, serving.files.objects, info, force=False, keep_repo=False)
    serving.runtime.wait_until(lambda: serving.runtime.runs[0].killed)


def test_a_taken_port_is_the_pipeline_s_reason(
    quick: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = FakeRuntime.open_worker
    taken = [True]

    def open_worker(runtime: FakeRuntime, spec: WorkerSpec) -> FakeWorker:
        if taken:
            raise PortUnavailableError("port 8000 is taken")
        return opening(runtime, spec)

    monkeypatch.setattr(FakeRuntime, "open_worker", open_worker)
    quick.put("data", {"/a": b"1"})
    info = quick.create(make_service())
    quick.wait_until(lambda: quick.pipeline("web").state is PipelineState.CRASHING)
    assert quick.pipeline("web").reason == "port 8000 is taken"
    line = quick.wait_for_line("taken", LogFilter(pipeline=info.key))
    assert line == "port 8000 is taken; this isn't counted as a try, and is tried again"
    assert states(quick) == [RUNNING]
    taken.clear()
    quick.wait_until(lambda: quick.pipeline("web").state is PipelineState.RUNNING)
    assert quick.pipeline("web").reason == ""


@pytest.mark.parametrize(
    ("given", "internal", "external"),
    [
        ({"internal_port": 80}, 80, 80),
        ({"external_port": 80}, 80, 80),
        ({"internal_port": 80, "external_port": 31000}, 80, 31000),
    ],
)
def test_a_port_that_is_not_said_is_the_other(
    given: dict[str, int], internal: int, external: int
) -> None:
    spec = make_service()
    complete = effective({**spec, "service": given})
    assert complete["service"] == {
        "internal_port": internal,
        "external_port": external,
        "type": "NodePort",
    }
    assert spec["service"] == PORT


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"service": {}}, r"service\.internal_port is missing"),
        ({"service": {"internal_port": 65536}}, r"service\.internal_port must be between 1 and"),
        ({"service": {**PORT, "external_port": -1}}, r"service\.external_port must be between 1"),
        ({"service": {**PORT, "type": "Ingress"}}, "service type Ingress is not allowed"),
        ({"parallelism_spec": {"constant": "2"}}, "only be run with a constant parallelism of 1"),
        (
            {"spout": {}, "input": {}},
            r"only one of pipeline\.service or pipeline\.spout can be set",
        ),
        ({"input": {}}, "no input set"),
        ({"transform": {"image": "i", "cmd": ["c"], "datum_batching": True}}, "come in batches"),
    ],
)
def test_what_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        effective({**make_service(), **more})
