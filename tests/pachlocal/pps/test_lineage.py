"""Where files come from."""

from __future__ import annotations

import pytest
from pps_world import Run, World, make_spec, pfs_input, repo

from pachlocal.errors import FailedPreconditionError, NotFoundError
from pachlocal.pps.planning import lineage
from pachlocal.pps.planning.lineage import FileOrigin
from pachlocal.pps.spec.states import DatumState
from pachlocal.pps.tables import jobs, pipelines


def copy_data(run: Run) -> None:
    for path, data in run.inputs.items():
        if path.startswith("data/"):
            run.write(path.removeprefix("data/"), data)


@pytest.fixture
def two(world: World) -> World:
    world.runtime.programs["copy data"] = copy_data
    world.make_repos("training", "data")
    world.put("training", {"/t": b"1"})
    world.put("data", {"/a": b"1", "/d/b": b"2"})
    world.create(make_spec("model", pfs_input("training")))
    cross = {"cross": [pfs_input("data"), pfs_input("model", "/")]}
    world.create(make_spec("result", cross, "copy data"))
    world.succeed("result")
    return world


def trace(world: World, name: str, path: str, id_: str = "master") -> FileOrigin:
    commit = world.commit(name, id_)
    with world.files.snapshot() as connection:
        return lineage.trace(connection, world.files.objects, commit, path)


def place(origin: FileOrigin) -> tuple[str, str, str]:
    return origin.commit.name.repo.name, origin.commit.name.id, origin.path


def test_a_result_leads_back_to_the_users_commits(two: World) -> None:
    origin = trace(two, "result", "/a")
    job = two.job("result")
    (datum,) = origin.datums
    assert (datum.job, datum.ran_in, datum.datum.why) == (job, job, "new input")
    assert (datum.pipeline.version, datum.pipeline.spec.transform.cmd) == (1, ("copy data",))
    data, model = datum.inputs
    assert place(data) == ("data", two.commit("data").name.id, "/a")
    assert data.changed == two.commit("data")
    assert place(model) == ("model", two.commit("model").name.id, "/")
    (made,) = model.datums
    assert place(made.inputs[0]) == ("training", two.commit("training").name.id, "/t")
    assert made.inputs[0].changed == two.commit("training")


def test_a_skipped_datum_leads_back_to_what_it_read_when_it_ran(two: World) -> None:
    first, data = two.job("result"), two.commit("data").name.id
    two.put("data", {"/c": b"3"})
    job = two.succeed("result")
    (datum,) = trace(two, "result", "/a").datums
    assert (datum.datum.state, datum.job, datum.ran_in) == (DatumState.SKIPPED, job, first)
    assert place(datum.inputs[0]) == ("data", data, "/a")
    with two.files.transaction() as tx:
        jobs.delete(tx, two.files.objects, first)
    (datum,) = trace(two, "result", "/a").datums
    assert (datum.ran_in, place(datum.inputs[0])) == (None, ("data", job.id, "/a"))


def test_what_was_changed_later_leaves_old_results_with_their_origin(two: World) -> None:
    old, data = two.job("result").id, two.commit("data").name.id
    two.put("data", {"/a": b"9"})
    two.succeed("result")
    (datum,) = trace(two, "result", "/a", old).datums
    assert place(datum.inputs[0]) == ("data", data, "/a")


def test_a_folder_has_all_that_had_a_part_in_it(two: World) -> None:
    origin = trace(two, "result", "/")
    assert [datum.inputs[0].path for datum in origin.datums] == ["/a", "/d/"]
    assert not origin.more_datums
    first, second = (datum.inputs[1] for datum in origin.datums)
    assert (len(first.datums), first.repeated) == (1, False)
    assert (len(second.datums), second.repeated) == (0, True)
    two.put("data", {f"/f{number}": b"" for number in range(20)})
    two.succeed("result")
    origin = trace(two, "result", "/")
    assert (len(origin.datums), origin.more_datums) == (10, True)


def last_change(world: World, path: str) -> str:
    changed = trace(world, "data", path).changed
    assert changed is not None
    return changed.name.id


def test_the_last_change_of_a_users_file_is_found(two: World) -> None:
    first = two.commit("data").name.id
    second = two.put("data", {"/a": b"2"})
    two.put("data", {"/e": b"1"})
    assert [last_change(two, path) for path in ("/d/b", "/d", "/a")] == [first, first, second]
    two.put("data", delete=["/a"])
    again = two.put("data", {"/a": b"2"})
    assert last_change(two, "/a") == again


def test_what_is_not_there_or_not_ready_is_said(two: World) -> None:
    with pytest.raises(NotFoundError, match="file /nothing not found"):
        trace(two, "result", "/nothing")
    two.runtime.programs["copy data"] = two.runtime.copy_when("go")
    id_ = two.put("data", {"/c": b"3"})
    two.wait_until(lambda: two.job("result").state.name == "RUNNING")
    with pytest.raises(FailedPreconditionError, match="not finished: its job is running"):
        trace(two, "result", "/a")
    two.end(two.job("result"))
    with pytest.raises(FailedPreconditionError, match=f"result@{id_} has no files: job stopped"):
        trace(two, "result", "/a")


def test_output_that_outlives_its_pipeline_names_what_it_was_made_from(two: World) -> None:
    made_from = {two.commit("training").name, two.commit("model", type_="spec").name}
    with two.files.transaction() as tx:
        doomed = pipelines.inspect(tx.connection, "default", "model")
        pipelines.delete(tx, two.files.objects, doomed, force=True, keep_repo=True)
    origin = trace(two, "model", "/t")
    assert origin.datums == ()
    assert origin.changed is not None
    assert set(origin.changed.provenance) <= made_from
    assert origin.changed.name.repo == repo("model")
