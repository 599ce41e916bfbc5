"""Plans: what would run, with nothing changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pps_world import Run, World, make_spec, pfs_input, repo

from pachlocal.errors import AlreadyExistsError, NotFoundError
from pachlocal.pfs.files.modification import Modification
from pachlocal.pfs.history.names import CommitName
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pfs.tree.scratch import Scratch
from pachlocal.pps.planning.forecast import Fate, Forecast, PlannedChange, forecast
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import pipelines

LOG_TABLES = re.compile(
    r"\b(logs|log_sizes)\b"
)  # lines are stored a moment after they were written


def copy_data(run: Run) -> None:
    for path, data in run.inputs.items():
        if path.startswith("data/"):
            run.write(path.removeprefix("data/"), data)


CROSS = {"cross": [pfs_input("data"), pfs_input("model", "/")]}


@pytest.fixture
def two(world: World) -> World:
    """`result` reads each file of `data` and the whole of `model`, which reads `training`."""
    world.runtime.programs["copy data"] = copy_data
    world.make_repos("training", "data")
    world.put("training", {"/t": b"1"})
    world.put("data", {"/a": b"1", "/b": b"2"})
    world.create(make_spec("model", pfs_input("training")))
    world.create(make_spec("result", CROSS, "copy data"))
    world.succeed("result")
    return world


def plan_put(
    world: World, name: str, files: Mapping[str, bytes], delete: Sequence[str] = ()
) -> list[Forecast]:
    before = state_of(world)
    with Scratch(world.files.objects) as objects:
        modification = Modification(objects)
        for path in delete:
            modification.delete(path)
        for path, data in files.items():
            modification.delete(path)
            modification.add(path, data)
        changes = modification.finish()

        def change(tx: Transaction) -> PlannedChange:
            target = CommitName(repo(name), "master")
            commit = world.files.change_in(tx, objects, changes, target)
            return PlannedChange(tx, finished=commit.name.id)

        found = forecast(world.files, objects, change, lambda: None, lambda _: "")
    assert state_of(world) == before
    return found


def plan_spec(
    world: World, *specs: dict[str, Any], update: bool = True, reprocess: bool = False
) -> list[Forecast]:
    before = state_of(world)

    def change(tx: Transaction) -> PlannedChange:
        made = [
            pipelines.create(tx, world.files.objects, spec, update=update, reprocess=reprocess)
            for spec in specs
        ]
        return PlannedChange(tx, tuple(made))

    with Scratch(world.files.objects) as objects:
        found = forecast(world.files, objects, change, lambda: None, lambda _: "")
    assert state_of(world) == before
    return found


def state_of(world: World) -> list[str]:
    """Return all that the database holds, but for logs."""
    with world.files.snapshot() as connection:
        return [line for line in connection.iterdump() if not LOG_TABLES.search(line)]


def counts(found: Sequence[Forecast]) -> dict[str, dict[str, int]]:
    return {
        it.repo.name: {fate.value: count for fate, count in it.counts.items() if count}
        for it in found
    }


def test_a_new_file_runs_alone(two: World) -> None:
    (found,) = plan_put(two, "data", {"/c": b"3"})
    assert counts([found]) == {"result": {"run": 1, "skip": 2}}
    unchanged = f"unchanged since job {two.job('result').id}"
    assert found.reasons == ((Fate.RUN, "new input", 1), (Fate.SKIP, unchanged, 2))
    assert (found.version, found.depends_on, found.notes) == (1, (), ())


def test_what_a_trigger_sets_going_is_planned(two: World) -> None:
    two.create(make_spec("late", pfs_input("data", trigger={"commits": 1}), "copy data"))
    two.succeed("late")
    assert counts(plan_put(two, "data", {"/c": b"3"})) == {
        "result": {"run": 1, "skip": 2},
        "late": {"run": 3},
    }


def test_what_is_planned_is_what_happens(two: World) -> None:
    (found,) = plan_put(two, "data", {"/b": b"3", "/c": b"4"}, delete=["/a"])
    assert counts([found]) == {"result": {"run": 2, "vanish": 1}}
    two.put("data", {"/b": b"3", "/c": b"4"}, delete=["/a"])
    job = two.succeed("result")
    assert two.counts(job) == {"total": 2, "processed": 2}
    assert sorted(datum.why for datum in two.datums(job)) == sorted(
        why for fate, why, _ in found.reasons if fate is Fate.RUN
    )


def test_the_same_content_runs_nothing(two: World) -> None:
    assert counts(plan_put(two, "training", {"/t": b"1"})) == {
        "model": {"skip": 1},
        "result": {"skip": 2},
    }


def test_what_depends_on_new_output_is_not_claimed_to_be_known(two: World) -> None:
    model, result = plan_put(two, "training", {"/t": b"2"})
    assert counts([model, result]) == {"model": {"run": 1}, "result": {"depend": 2}}
    assert (model.depends_on, result.depends_on) == ((), (repo("model"),))
    why = f"if model changes; otherwise unchanged since job {two.job('result').id}"
    assert result.reasons == ((Fate.DEPEND, why, 2),)


def test_what_vanishes_upstream_is_known_downstream(two: World) -> None:
    two.put("training", {"/u": b"5"})
    two.succeed("result")
    found = plan_put(two, "training", {}, delete=["/u"])
    assert counts(found) == {"model": {"skip": 1, "vanish": 1}, "result": {"run": 2}}
    assert found[1].depends_on == ()
    two.put("training", delete=["/u"])
    assert two.counts(two.succeed("result")) == {"total": 2, "processed": 2}


def test_an_update_of_the_code_skips_and_says_so(two: World) -> None:
    found = plan_spec(two, make_spec("model", pfs_input("training"), "fail"))
    assert counts(found) == {"model": {"skip": 1}, "result": {"skip": 2}}
    assert [it.version for it in found] == [2, 1]
    assert found[0].notes == (
        "it runs other code, but data that was processed before is not processed again; "
        "--reprocess does that",
    )
    assert found[1].notes == ()


def test_reprocessing_runs_all(two: World) -> None:
    found = plan_spec(two, make_spec("model", pfs_input("training")), reprocess=True)
    assert counts(found) == {"model": {"run": 1}, "result": {"depend": 2}}
    asked = "reprocessing was asked for (version 2); processed before in job "
    assert found[0].reasons == ((Fate.RUN, asked + two.job("model").id, 1),)


def test_new_pipelines_are_planned_one_on_the_other(two: World) -> None:
    first = make_spec("first", pfs_input("data"))
    second = make_spec("second", {"cross": [pfs_input("data"), pfs_input("first", "/")]})
    third = make_spec("third", pfs_input("first"))
    found = plan_spec(two, first, second, third, update=False)
    assert counts(found) == {"first": {"run": 2}, "second": {"run": 2}, "third": {}}
    assert [it.depends_on for it in found] == [(), (repo("first"),), (repo("first"),)]


def test_a_stopped_pipeline_does_not_run(two: World) -> None:
    with two.files.transaction() as tx:
        pipelines.stop(tx, two.files.objects, pipelines.inspect(tx.connection, "default", "model"))
    (found,) = plan_spec(two, make_spec("model", pfs_input("training")), reprocess=True)
    assert (found.repo, found.counts) == (repo("model"), {})
    assert found.notes == ("it is stopped: nothing runs before it is started",)
    assert plan_put(two, "training", {"/t": b"2"}) == []


def test_an_open_commit_is_planned_as_if_it_were_finished(two: World) -> None:
    two.start_commit("data")
    two.wait_until(lambda: two.job("result").state is JobState.STARTING)
    (found,) = plan_put(two, "data", {"/c": b"3"})
    assert counts([found]) == {"result": {"run": 1, "skip": 2}}


def test_a_job_that_runs_is_mentioned(two: World) -> None:
    two.runtime.programs["copy data"] = two.runtime.copy_when("go")
    begun = len(two.runtime.runs)
    id_ = two.put("data", {"/c": b"3"})
    two.runtime.wait_until(lambda: len(two.runtime.runs) > begun)
    (found,) = plan_put(two, "data", {"/d": b"4"})
    assert counts([found]) == {"result": {"run": 2, "skip": 2}}
    assert found.notes == (f"job {id_} has not ended yet; what it makes is not counted in",)
    two.runtime.programs["copy data"] = copy_data
    two.end(two.job("result"))


def test_what_cannot_be_changed_is_an_error_and_changes_nothing(two: World) -> None:
    with pytest.raises(NotFoundError, match="repo default/nowhere not found"):
        plan_put(two, "nowhere", {"/a": b""})
    with pytest.raises(AlreadyExistsError):
        plan_spec(two, make_spec("model", pfs_input("training")), update=False)
    assert two.content("data") == {"/a": b"1", "/b": b"2"}


def test_many_reasons_are_put_together(two: World) -> None:
    files = {f"/f{number:03}": b"1" for number in range(60)}
    two.put("data", files)
    two.succeed("result")
    (found,) = plan_put(two, "data", dict.fromkeys(files, b"2"))
    assert counts([found]) == {"result": {"run": 60, "skip": 2}}
    assert sum(count for fate, _, count in found.reasons if fate is Fate.RUN) == 60
    assert len(found.reasons) <= 53


def test_a_service_s_job_makes_nothing_that_a_plan_could_miss(world: World) -> None:
    world.runtime.programs["serve"] = lambda run: run.wait_until(lambda: False)
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    spec = make_spec("web", pfs_input("data", "/"), "serve", service={"internal_port": 80})
    world.create(spec)
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    [found] = plan_put(world, "data", {"/a": b"2"})
    assert (found.counts[Fate.RUN], found.notes) == (1, ())
