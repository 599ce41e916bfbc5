"""Pipelines that can't be planned, as older versions could store them: they say so, and recover."""

from __future__ import annotations

import pytest
from pps_world import World, make_spec, pfs_input

from pachlocal.pps.spec import datums
from pachlocal.pps.spec.states import JobState, PipelineState

JOIN = {
    "join": [
        pfs_input("data", "/(*)", join_on="$1"),
        pfs_input("data", "/(*)", name="b", join_on="$1"),
    ]
}
SPEC = make_spec("p", JOIN)
REASON = "its datums can't be found: '$2' asks for capture group 2, and glob /(*) has 1"
CRASHING = (PipelineState.CRASHING, REASON)
RUNNING = (PipelineState.RUNNING, "")


def said(world: World) -> tuple[PipelineState, str]:
    pipeline = world.pipeline("p")
    return pipeline.state, pipeline.reason


def store_spec(world: World, before: str, after: str) -> None:
    """Change the stored spec of the pipeline, as if another version had taken it."""
    with world.files.database.write() as connection:
        connection.execute(
            "UPDATE pipeline_versions SET effective_spec = replace(effective_spec, ?, ?)",
            (before, after),
        )
        assert connection.execute("SELECT changes()").fetchone()[0] == 1


@pytest.fixture
def unplannable(world: World) -> World:
    world.make_repos("data")
    world.create(SPEC)
    world.succeed("p")
    store_spec(world, '"$1"', '"$2"')
    world.restart()
    world.put("data", {"/1": b"one"})
    job = world.wait("p")
    assert (job.state, job.reason) == (JobState.FAILURE, REASON)
    return world


def test_a_pipeline_that_can_not_be_planned_is_crashing_until_it_is_updated(
    unplannable: World,
) -> None:
    world = unplannable
    world.wait_until(lambda: said(world) == CRASHING)
    world.create(SPEC, update=True)
    assert said(world) == RUNNING
    assert world.content("p", world.succeed("p").id) == {"/1": b"one"}
    assert said(world) == RUNNING


def test_a_restart_does_not_hide_why_it_is_crashing(unplannable: World) -> None:
    world = unplannable
    world.restart()
    world.make_repos("other")
    world.create(make_spec("q", pfs_input("other")))
    world.succeed("q")  # by then all runners have begun
    assert said(world) == CRASHING


def test_new_data_that_can_be_planned_end_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make_repos("data")
    world.create(SPEC)
    world.succeed("p")
    monkeypatch.setattr(datums, "_MOST_HELD", 2)
    world.put("data", {"/1": b"one", "/2": b"two"})
    assert world.wait("p").state is JobState.FAILURE
    world.wait_until(lambda: said(world)[0] is PipelineState.CRASHING)
    world.put("data", delete=["/2"])
    world.succeed("p")
    world.wait_until(lambda: said(world) == RUNNING)


def test_a_spec_that_can_not_be_read_stops_no_other_pipeline(world: World) -> None:
    world.make_repos("data")
    world.create(make_spec("p", pfs_input("data")))
    world.succeed("p")
    store_spec(world, '"transform"', '"transfrom"')
    world.restart()
    world.make_repos("other")
    world.create(make_spec("q", pfs_input("other")))
    world.put("other", {"/1": b"one"})
    assert world.content("q", world.succeed("q").id) == {"/1": b"one"}
    with world.files.snapshot() as connection:
        state, reason = connection.execute(
            "SELECT state, reason FROM pipelines WHERE name = 'p'"
        ).fetchone()
    assert (state, reason) == (
        int(PipelineState.CRASHING),
        "its spec can't be worked with, update it: KeyError('transform')",
    )
