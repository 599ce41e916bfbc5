"""Pipelines that have nothing to do: they hold no thread, and sleep through what others do."""

from __future__ import annotations

import threading

import pytest
from pps_world import World, make_spec, pfs_input, repo

from pachlocal.pfs.history import history
from pachlocal.pfs.history.commits import finish
from pachlocal.pfs.history.names import BranchName
from pachlocal.pps.run.runner import PipelineRunner
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import pipelines

TIMEOUT_S = 30


@pytest.fixture
def resting(world: World) -> World:
    """Return a world whose pipelines, `busy` and `idle`, have done all that there is to do."""
    world.make_repos("data", "other")
    for name, source in (("busy", "data"), ("idle", "other")):
        world.put(source, {"/a": b"1"})
        world.create(make_spec(name, pfs_input(source)))
        world.succeed(name)
    await_rest()
    return world


def await_rest() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("pipeline "):
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


def test_a_pipeline_that_rests_goes_on_when_there_is_work(resting: World) -> None:
    for number in range(3):
        resting.put("data", {f"/b{number}": b"2"})
        resting.succeed("busy")
        await_rest()
    assert resting.content("busy").keys() == {"/a", "/b0", "/b1", "/b2"}


def test_a_pipeline_goes_on_when_its_input_is_finished(resting: World) -> None:
    opened = resting.start_commit("data")
    resting.wait_until(lambda: resting.job("busy").state is JobState.STARTING)
    await_rest()
    resting.put("data", {"/b": b"2"})
    with resting.files.transaction() as tx:
        finish(tx, resting.files.objects, resting.commit("data", opened.name.id))
    resting.succeed("busy")
    assert resting.content("busy").keys() == {"/a", "/b"}


def test_a_pipeline_is_woken_by_what_concerns_it_and_by_nothing_else(
    resting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    go_on = PipelineRunner.go_on

    def tell_and_go_on(runner: PipelineRunner) -> None:
        woken.append(runner.pipeline.spec.name)
        go_on(runner)

    monkeypatch.setattr(PipelineRunner, "go_on", tell_and_go_on)
    resting.put("data", {"/b": b"2"})
    resting.succeed("busy")
    await_rest()
    assert set(woken) == {"busy"}


def test_a_pipeline_that_rests_can_be_deleted(resting: World) -> None:
    with resting.files.transaction() as tx:
        doomed = resting.pipeline("idle")
        pipelines.delete(tx, resting.files.objects, doomed, force=False, keep_repo=False)
    resting.put("other", {"/b": b"2"})
    resting.make_repos("idle")
    resting.put("data", {"/b": b"2"})
    resting.succeed("busy")


def test_a_change_makes_few_statements_for_each_pipeline_that_reads_it(world: World) -> None:
    def statements() -> int:
        mine, made = threading.get_ident(), 0

        def count(_: str) -> None:
            nonlocal made
            made += threading.get_ident() == mine

        with world.files.transaction() as tx:
            history.start(tx, BranchName(repo("data"), "master"))
            tx.connection.set_trace_callback(count)
        counted = made
        with world.files.transaction() as tx:
            tx.connection.set_trace_callback(None)
            finish(tx, world.files.objects, world.commit("data"))
        return counted

    world.make_repos("data")
    world.create(make_spec("p0", pfs_input("data")))
    before = statements()
    for number in range(1, 11):
        world.create(make_spec(f"p{number}", pfs_input("data")))
    assert statements() - before < 310  # of ten
