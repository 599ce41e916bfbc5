"""Why datums run, in words."""

from __future__ import annotations

import pytest
from pps_world import Run, World, copy, make_spec, pfs_input, repo

from pachlocal.pfs.history import commits, history
from pachlocal.pfs.history.names import BranchName
from pachlocal.pps.spec.states import JobState
from pachlocal.pps.tables import jobs
from pachlocal.pps.tables.jobs import JobInfo


def copy_data(run: Run) -> None:
    for path, data in run.inputs.items():
        if path.startswith("data/"):
            run.write(path.removeprefix("data/"), data)


@pytest.fixture
def two(world: World) -> World:
    """Pipeline `model` reads `training` as a whole, `result` that and each file of `data`."""
    world.runtime.programs["copy data"] = copy_data
    world.make_repos("training", "data")
    world.put("training", {"/t": b"1"})
    world.create(make_spec("model", pfs_input("training", "/")))
    world.succeed("model")
    world.put("data", {"/a": b"1", "/b": b"2"})
    cross = {"cross": [pfs_input("data"), pfs_input("model", "/")]}
    world.create(make_spec("result", cross, "copy data"))
    world.succeed("result")
    return world


def whys(world: World, job: JobInfo) -> list[str]:
    return [datum.why for datum in world.datums(job)]


def test_the_first_time_all_is_new(two: World) -> None:
    assert whys(two, two.job("result")) == ["new input", "new input"]


def test_a_changed_file_is_named_and_the_job_that_had_it_before(two: World) -> None:
    first = two.job("result").id
    two.put("data", {"/b": b"3", "/c": b"4"})
    assert whys(two, two.succeed("result")) == [
        f"unchanged since job {first}",
        f"data:/b changed; processed before in job {first}",
        "new input",
    ]


def test_unchanged_goes_back_to_the_job_that_ran_it(two: World) -> None:
    first = two.job("result").id
    for number in range(2):
        two.put("data", {"/b": b"%d" % (number + 5)})
        assert whys(two, two.succeed("result"))[0] == f"unchanged since job {first}"


def test_new_output_of_a_pipeline_names_it_and_its_job(two: World) -> None:
    first = two.job("result").id
    id_ = two.put("training", {"/t": b"2"})
    made = f"model:/ changed: upstream pipeline model made new output (job {id_})"
    assert whys(two, two.succeed("result", id_)) == 2 * [f"{made}; processed before in job {first}"]


def test_new_output_of_another_version_names_that(two: World) -> None:
    first = two.job("result").id
    two.runtime.programs["other"] = lambda run: run.write("t", b"other")
    two.create(make_spec("model", pfs_input("training", "/"), "other"), update=True, reprocess=True)
    job = two.succeed("result", two.job("model").id)
    made = "model:/ changed: upstream pipeline model made new output (version 2, reprocessed)"
    assert whys(two, job) == 2 * [f"{made}; processed before in job {first}"]


def test_both_a_file_and_a_model_may_change(two: World) -> None:
    first = two.job("result").id
    with two.files.transaction() as tx:
        opened = [
            history.start(tx, BranchName(repo(name), "master")) for name in ("training", "data")
        ]
    two.put("training", {"/t": b"2"})
    two.put("data", {"/a": b"9"})
    with two.files.transaction() as tx:
        for commit in opened:
            now = commits.by_key(tx.connection, commit.key)
            commits.finish(tx, two.files.objects, now)
    made = f"model:/ changed: upstream pipeline model made new output (job {opened[0].name.id})"
    assert whys(two, two.succeed("result"))[0] == (
        f"data:/a changed; {made}; processed before in job {first}"
    )


def test_reprocessing_names_the_version_that_asked(two: World) -> None:
    first = two.job("model").id
    spec = make_spec("model", pfs_input("training", "/"))
    two.create(spec, update=True, reprocess=True)
    asked = f"reprocessing was asked for (version 2); processed before in job {first}"
    assert whys(two, two.succeed("model")) == [asked]
    two.create(spec, update=True)
    assert whys(two, two.succeed("model")) == [f"unchanged since job {two.jobs('model')[1].id}"]


def test_every_job_says_so(two: World) -> None:
    spec = make_spec("model", pfs_input("training", "/"), reprocess_spec="every_job")
    two.create(spec, update=True)
    why = "every job runs all datums (reprocess_spec: every_job)"
    assert whys(two, two.succeed("model")) == [why]


def test_other_inputs_are_said_to_be_the_pipelines_change(two: World) -> None:
    two.create(make_spec("model", pfs_input("training", "/*")), update=True)
    why = "new input; version 2 of the pipeline changed what its inputs are"
    assert whys(two, two.succeed("model")) == [why]


def test_after_a_failure_the_job_is_named(world: World) -> None:
    world.make_repos("data")
    world.runtime.programs["picky"] = lambda run: 1 if b"bad" in run.inputs.values() else copy(run)
    world.create(make_spec("out", pfs_input("data"), "picky"))
    first = world.succeed("out")
    world.put("data", {"/a": b"1", "/b": b"bad"})
    failed = world.wait("out")
    assert failed.state is JobState.FAILURE
    world.put("data", {"/b": b"good", "/c": b"1"})
    assert whys(world, world.succeed("out")) == [
        f"job {failed.id} processed it, and ended without results",
        f"data:/b changed; it failed in job {failed.id}",
        "new input",
    ]
    assert whys(world, first) == []


def test_a_recovered_datum_runs_again(world: World) -> None:
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    transform = {"err_cmd": ["copy"]}
    world.create(make_spec("out", pfs_input("data"), "fail", transform=transform))
    first = world.succeed("out")
    world.put("data", {"/b": b"1"})
    assert whys(world, world.succeed("out")) == [
        f"it only recovered then; processed before in job {first.id}",
        "new input",
    ]


def test_many_changed_files_of_a_group_are_not_all_named(world: World) -> None:
    world.make_repos("data")
    world.put("data", {f"/{name}": b"1" for name in "abcde"})
    group = {"group": [pfs_input("data", "/(*)", group_by="x")]}
    world.create(make_spec("out", group))
    first = world.succeed("out").id
    world.put("data", {f"/{name}": b"2" for name in "abcde"})
    changed = "data:/a, data:/b, data:/c and 2 more changed"
    assert whys(world, world.succeed("out")) == [f"{changed}; processed before in job {first}"]


def test_a_deleted_job_is_not_named(two: World) -> None:
    first = two.job("result")
    two.put("data", {"/c": b"4"})
    two.succeed("result")
    with two.files.transaction() as tx:
        jobs.delete(tx, two.files.objects, first)
    two.put("data", {"/d": b"5"})
    assert whys(two, two.succeed("result"))[0] == "unchanged since it was processed"
