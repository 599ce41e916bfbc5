from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pps_world import Run, World, copy, make_spec, pfs_input, repo

from pachlocal.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from pachlocal.pfs.history.branches import delete as delete_branch
from pachlocal.pfs.history.branches import inspect as inspect_branch
from pachlocal.pfs.history.commits import finish
from pachlocal.pfs.history.names import BranchName
from pachlocal.pfs.history.repos import delete_repo
from pachlocal.pfs.tree import paths
from pachlocal.pps.spec.states import DatumState, JobState, PipelineState
from pachlocal.pps.tables import datum_store, jobs, logs, pipelines
from pachlocal.pps.tables.log_reading import LogFilter

MANY = {f"/{number:04}": str(number).encode() for number in range(1000)}
THREE = {"/a": b"1", "/b": b"2", "/c": b"3"}


@pytest.fixture
def copied(world: World) -> World:
    """Return a world with three files in `data`, copied by the pipeline `out`."""
    world.make_repos("data")
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data")))
    world.succeed("out")
    return world


# --- what runs, what is skipped, what vanishes ----------------------------------------------------


def test_a_new_pipeline_runs_all_datums(copied: World) -> None:
    job = copied.succeed("out")
    assert copied.counts(job) == {"total": 3, "processed": 3}
    assert copied.content("out") == THREE
    assert job.id == copied.commit("out").name.id


def test_a_pipeline_without_input_has_a_job_that_succeeds_with_no_datum(world: World) -> None:
    world.make_repos("data")
    world.create(make_spec("out", pfs_input("data")))
    assert world.counts(world.succeed("out")) == {}
    assert world.commit("out").root is None


def test_of_a_thousand_files_one_added_runs_and_one_removed_vanishes(world: World) -> None:
    world.make_repos("data")
    world.put("data", MANY)
    world.create(make_spec("out", pfs_input("data")))
    assert world.counts(world.succeed("out")) == {"total": 1000, "processed": 1000}

    world.put("data", {"/new": b"!"})
    assert world.counts(world.succeed("out")) == {"total": 1001, "processed": 1, "skipped": 1000}
    assert world.content("out") == {**MANY, "/new": b"!"}

    world.put("data", delete=["/0500"])
    assert world.counts(world.succeed("out")) == {"total": 1000, "skipped": 1000}
    assert world.content("out").keys() == {*MANY, "/new"} - {"/0500"}
    assert len(world.runtime.runs) == 1001


def test_a_changed_file_runs_and_its_old_output_goes(world: World) -> None:
    world.make_repos("data")

    def named_by_content(run: Run) -> None:
        (data,) = run.inputs.values()
        run.write(data.decode(), b"")

    world.runtime.programs["name"] = named_by_content
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data"), cmd="name"))
    assert world.content("out", world.succeed("out").id).keys() == {"/1", "/2", "/3"}
    world.put("data", {"/a": b"9"})
    job = world.succeed("out")
    assert world.counts(job) == {"total": 3, "processed": 1, "skipped": 2}
    assert world.content("out").keys() == {"/9", "/2", "/3"}


def test_a_file_that_comes_back_runs_again(copied: World) -> None:
    copied.put("data", delete=["/a"])
    copied.succeed("out")
    copied.put("data", {"/a": b"1"})
    assert copied.counts(copied.succeed("out")) == {"total": 3, "processed": 1, "skipped": 2}
    assert copied.content("out") == THREE


def test_a_changed_model_runs_every_datum_that_is_crossed_with_it(world: World) -> None:
    world.make_repos("data", "model")
    world.put("data", THREE)
    world.put("model", {"/m": b"v1"})
    cross = {"cross": [pfs_input("data"), pfs_input("model", "/")]}

    def apply_model(run: Run) -> None:
        model = run.inputs["model/m"]
        for path, data in run.inputs.items():
            if path.startswith("data/"):
                run.write(path.removeprefix("data/"), data + model)

    world.runtime.programs["apply"] = apply_model
    world.create(make_spec("out", cross, cmd="apply"))
    world.succeed("out")
    world.put("data", {"/d": b"4"})
    assert world.counts(world.succeed("out")) == {"total": 4, "processed": 1, "skipped": 3}
    world.put("model", {"/m": b"v2"})
    assert world.counts(world.succeed("out")) == {"total": 4, "processed": 4}
    assert world.content("out") == {
        path: data + b"v2" for path, data in {**THREE, "/d": b"4"}.items()
    }


def test_another_image_command_or_description_runs_nothing_without_reprocessing(
    copied: World,
) -> None:
    copied.runtime.programs["other"] = copy
    spec = make_spec(
        "out", pfs_input("data"), cmd="other", description="new", transform={"image": "newer"}
    )
    assert copied.create(spec, update=True).version == 2
    job = copied.succeed("out")
    assert job.version == 2
    assert copied.counts(job) == {"total": 3, "skipped": 3}
    assert copied.content("out") == THREE


def test_reprocessing_runs_all(copied: World) -> None:
    spec = make_spec("out", pfs_input("data"))
    copied.create(spec, update=True, reprocess=True)
    assert copied.counts(copied.succeed("out")) == {"total": 3, "processed": 3}
    copied.create(spec, update=True)
    assert copied.counts(copied.succeed("out")) == {"total": 3, "skipped": 3}


def test_every_job_may_run_all(copied: World) -> None:
    copied.create(make_spec("out", pfs_input("data"), reprocess_spec="every_job"), update=True)
    assert copied.counts(copied.succeed("out")) == {"total": 3, "processed": 3}
    copied.put("data", {"/d": b"4"})
    assert copied.counts(copied.succeed("out")) == {"total": 4, "processed": 4}
    assert copied.content("out") == {**THREE, "/d": b"4"}


def test_a_skipped_datum_names_the_job_that_processed_it(copied: World) -> None:
    first = copied.jobs("out")[0]
    copied.put("data", {"/d": b"4"})
    copied.succeed("out")
    copied.put("data", {"/e": b"5"})
    job = copied.succeed("out")
    states = [(datum.state, datum.processed_by) for datum in copied.datums(job)]
    skipped, success = DatumState.SKIPPED, DatumState.SUCCESS
    assert states == [
        *[(skipped, first.key)] * 3,
        (skipped, copied.jobs("out")[1].key),
        (success, job.key),
    ]


def test_why_a_datum_runs_is_said(copied: World) -> None:
    first = copied.jobs("out")[0].id
    copied.put("data", {"/a": b"9", "/d": b"4"})
    whys = [datum.why for datum in copied.datums(copied.succeed("out"))]
    changed = f"data:/a changed; processed before in job {first}"
    unchanged = f"unchanged since job {first}"
    assert whys == [changed, unchanged, unchanged, "new input"]


def test_the_meta_repo_has_a_record_and_the_layout_of_each_datum(copied: World) -> None:
    job = copied.succeed("out")
    datums = {datum.files[0].path: datum.id.hex() for datum in copied.datums(job)}
    content = copied.content("out", job.id, "meta")
    expected = {f"/meta/{id_}/meta" for id_ in datums.values()}
    for path, id_ in datums.items():
        expected |= {f"/pfs/{id_}/{name}" for name in (f"data{path}", f"out{path}", ".env")}
    assert content.keys() == expected
    assert content[f"/pfs/{datums['/a']}/out/a"] == b"1"
    env = dict(line.split("=") for line in content[f"/pfs/{datums['/a']}/.env"].decode().split())
    assert env.items() >= {
        ("data", "/pfs/data/a"),
        ("data_COMMIT", copied.commit("data").name.id),
        ("PACH_DATUM_ID", datums["/a"]),
        ("PACH_JOB_ID", job.id),
        ("PPS_PIPELINE_NAME", "out"),
    }
    copied.put("data", delete=["/a"])
    job = copied.succeed("out")
    gone = datums["/a"]
    assert not [path for path in copied.content("out", job.id, "meta") if gone in path]


@pytest.mark.parametrize("glob", ["/(**)", "/a/(**)", "/a/b/(*)"])
def test_the_layout_of_a_datum_has_its_files_once_however_deep(world: World, glob: str) -> None:
    files = {"/a/b/c": b"1", "/a/b/d": b"22", "/a/e": b"333", "/f": b"4444"}
    world.runtime.programs["nothing"] = lambda run: None
    world.make_repos("data")
    world.put("data", files)
    world.create(make_spec("out", {"group": [pfs_input("data", glob, group_by="x")]}, "nothing"))
    job = world.succeed("out")
    (datum,) = world.datums(job)
    within = glob[: glob.index("(")]
    expected = {f"/meta/{datum.id.hex()}/meta", f"/pfs/{datum.id.hex()}/.env"}
    expected |= {f"/pfs/{datum.id.hex()}/data{path}" for path in files if path.startswith(within)}
    assert world.content("out", job.id, "meta").keys() == expected


def test_a_chain_of_pipelines_is_one_set(world: World) -> None:
    world.make_repos("data")
    world.create(make_spec("first", pfs_input("data")))
    world.create(make_spec("second", pfs_input("first")))
    id_ = world.put("data", THREE)
    assert world.succeed("second", id_).id == world.job("first").id == id_
    assert world.content("second") == THREE
    with world.files.snapshot() as connection:
        assert [job.repo.name for job in jobs.job_set(connection, id_)] == ["first", "second"]


def test_the_number_of_job_sets_is_exact(world: World) -> None:
    for name in ("one", "two"):
        world.make_repos(f"{name}-data")
        world.create(make_spec(name, pfs_input(f"{name}-data")))
        world.put(f"{name}-data", THREE)
    with world.files.snapshot() as connection:
        assert len(jobs.job_set_ids(connection)) == 4


def test_a_job_exists_when_its_input_starts_and_waits_until_it_is_finished(copied: World) -> None:
    commit = copied.start_commit("data")
    job = copied.job("out", commit.name.id)
    assert job.state in (JobState.CREATED, JobState.STARTING)
    with copied.files.modify(commit.name) as change:
        change.add("/d", b"4")
    assert not copied.job("out", commit.name.id).state.is_terminal
    with copied.files.transaction() as tx:
        finish(tx, copied.files.objects, copied.commit("data"))
    assert copied.counts(copied.succeed("out", commit.name.id))["processed"] == 1


def test_a_pipeline_and_its_data_may_come_in_one_transaction(world: World) -> None:
    world.make_repos("data")
    world.put("data", {"/old": b"0"})
    with world.files.transaction() as tx:
        pipelines.create(tx, world.files.objects, make_spec("out", pfs_input("data")))
        commit = world.start_commit("data")
    with world.files.modify(commit.name) as change:
        change.add("/new", b"1")
    with world.files.transaction() as tx:
        finish(tx, world.files.objects, world.commit("data"))
    assert len(world.jobs("out")) == 1
    world.succeed("out")
    assert world.content("out") == {"/old": b"0", "/new": b"1"}


# --- failures -------------------------------------------------------------------------------------


def fail_on(path: str) -> object:
    def program(run: Run) -> int:
        if path in run.inputs:
            run.say(f"can't do {path}")
            return 3
        copy(run)
        return 0

    return program


@pytest.fixture
def failing(world: World) -> World:
    """Return a world whose pipeline `out` fails for `/bad`, with a pipeline `next` after it."""
    world.make_repos("data")
    world.runtime.programs["picky"] = fail_on("data/bad")
    world.create(make_spec("out", pfs_input("data"), cmd="picky", datum_tries="3"))
    world.create(make_spec("next", pfs_input("out", name="before")))
    world.put("data", THREE)
    world.succeed("next")
    return world


def test_a_failing_datum_is_tried_and_fails_its_job_with_all_the_rest_done(failing: World) -> None:
    id_ = failing.put("data", {"/bad": b"!", "/d": b"4"})
    job = failing.wait("out", id_)
    (bad,) = [datum for datum in failing.datums(job) if datum.state is DatumState.FAILED]
    why = "the command ended with exit code 3: can't do data/bad"
    assert (job.state, job.reason) == (JobState.FAILURE, f"datum {bad.id.hex()} failed: {why}")
    assert bad.attempts == 3
    assert failing.counts(job) == {"total": 5, "processed": 1, "skipped": 3, "failed": 1}


JULIA_1_5 = """\
ERROR: LoadError: SystemError: opening file "/x": No such file or directory
Stacktrace:
 [1] systemerror(::String, ::Int32; extrainfo::Nothing) at ./error.jl:168
 [2] _start() at ./client.jl:506
"""
JULIA_1_10 = """\
ERROR: LoadError: no
way
Stacktrace:
 [1] error(s::String)
   @ Base ./error.jl:35
 [2] top-level scope
   @ /code/main.jl:6
in expression starting at /code/main.jl:3
"""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("one\n two \n\n", "two"),
        ("one\n" + "2" * 3000, "2" * 1000),
        ("Error in f(1) : no way\nCalls: g -> f\nExecution halted", "Error in f(1) : no way"),
        ("Error: no\nway\nExecution halted\n", "Error: no"),
        ("Error in f(1, 2) : \n  no way\nExecution halted", "Error in f(1, 2) : no way"),
        ("Error: old\nno such file", "no such file"),
        ("Execution halted", "Execution halted"),
        (JULIA_1_5, 'ERROR: LoadError: SystemError: opening file "/x": No such file or directory'),
        (JULIA_1_10, "ERROR: LoadError: no"),
        ("[1] 5", "[1] 5"),  # as R prints a number
    ],
)
def test_the_line_that_says_why_a_command_failed_is_found(
    world: World, said: str, why: str
) -> None:
    def fail(run: Run) -> int:
        run.say(said)
        return 1

    world.runtime.programs["fail"] = fail
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data"), cmd="fail", datum_tries="1"))
    assert world.wait("out").reason.endswith(f"the command ended with exit code 1: {why}")


def test_a_failed_jobs_output_is_empty_and_says_why(failing: World) -> None:
    job = failing.wait("out", failing.put("data", {"/bad": b"!"}))
    commit = failing.commit("out", job.id)
    assert commit.root is None
    assert commit.finished is not None
    assert commit.error == job.reason
    assert failing.commit("out", job.id, "meta").finished is not None


def test_what_reads_a_failed_output_is_unrunnable(failing: World) -> None:
    job = failing.wait("next", failing.put("data", {"/bad": b"!"}))
    assert job.state is JobState.UNRUNNABLE
    assert job.reason == "unrunnable because the following upstream pipelines failed: default/out"
    assert failing.commit("next", job.id).error == job.reason


def test_the_next_job_begins_with_the_last_good_one(failing: World) -> None:
    failing.wait("next", failing.put("data", {"/bad": b"!"}))
    id_ = failing.put("data", {"/d": b"4"}, delete=["/bad"])
    assert failing.counts(failing.succeed("out", id_)) == {
        "total": 4,
        "processed": 1,
        "skipped": 3,
    }
    assert failing.counts(failing.succeed("next", id_))["processed"] == 1
    assert failing.content("next") == {**THREE, "/d": b"4"}


def test_a_datum_that_succeeds_in_the_end_is_processed(world: World) -> None:
    world.make_repos("data")
    tries: list[int] = []

    def third_time(run: Run) -> int:
        assert list((run.pfs / "out").iterdir()) == []  # laid out afresh each time
        run.write("half", b"")
        tries.append(1)
        return 0 if len(tries) == 3 else 1

    world.runtime.programs["third"] = third_time
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data"), cmd="third", datum_tries="3"))
    job = world.succeed("out")
    assert world.counts(job) == {"total": 1, "processed": 1}
    assert world.datums(job)[0].attempts == 3


def test_an_accepted_exit_code_is_success(world: World) -> None:
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(
        make_spec("out", pfs_input("data"), cmd="fail", transform={"accept_return_code": ["1"]})
    )
    world.succeed("out")


def test_error_code_recovers_a_datum_without_output(world: World) -> None:
    world.make_repos("data")
    world.runtime.programs["picky"] = fail_on("data/bad")
    world.runtime.programs["sorry"] = lambda run: run.write("sorry", b"")
    world.put("data", {"/bad": b"!", "/a": b"1"})
    spec = make_spec(
        "out", pfs_input("data"), cmd="picky", datum_tries="2", transform={"err_cmd": ["sorry"]}
    )
    world.create(spec)
    job = world.succeed("out")
    assert world.counts(job) == {"total": 2, "processed": 1, "recovered": 1}
    assert world.content("out") == {"/a": b"1"}
    commands = [run.invocation.cmd[0] for run in world.runtime.runs]
    assert sorted(commands) == ["picky"] * 3 + ["sorry"] * 2

    world.put("data", {"/b": b"2"})  # what only recovered is tried again
    assert world.counts(world.succeed("out")) == {
        "total": 3,
        "processed": 1,
        "skipped": 1,
        "recovered": 1,
    }


def test_error_code_that_fails_fails_the_datum(world: World) -> None:
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    transform = {"err_cmd": ["fail"]}
    world.create(make_spec("out", pfs_input("data"), cmd="fail", transform=transform))
    assert world.wait("out").state is JobState.FAILURE


def test_one_path_from_two_datums_fails_the_job(world: World) -> None:
    world.make_repos("data")
    world.runtime.programs["same"] = lambda run: run.write("x", b"")
    world.put("data", {"/a": b"1", "/b": b"2"})
    world.create(make_spec("out", pfs_input("data"), cmd="same"))
    job = world.wait("out")
    first, second = (datum.id.hex() for datum in world.datums(job))
    assert job.state is JobState.FAILURE
    assert job.reason == (
        f"duplicate path output by different datums (/x from {first} and /x from {second})"
    )
    assert world.commit("out").error == job.reason


def test_a_path_that_a_skipped_datum_wrote_cannot_be_written_by_another(world: World) -> None:
    world.make_repos("data")

    def by_length(run: Run) -> None:
        (data,) = run.inputs.values()
        run.write(str(len(data)), data)

    world.runtime.programs["length"] = by_length
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data"), cmd="length"))
    world.succeed("out")
    world.put("data", {"/b": b"2"})
    job = world.wait("out")
    kept, new = (datum.id.hex() for datum in world.datums(job))
    assert f"(/1 from {kept} and /1 from {new})" in job.reason


def test_a_file_below_another_datums_file_fails_the_job(world: World) -> None:
    world.make_repos("data")

    def nested(run: Run) -> None:
        run.write("x" if "data/a" in run.inputs else "x/y", b"")

    world.runtime.programs["nested"] = nested
    world.put("data", {"/a": b"1", "/b": b"2"})
    world.create(make_spec("out", pfs_input("data"), cmd="nested"))
    job = world.wait("out")
    assert (job.state, job.reason) == (
        JobState.FAILURE,
        "file / directory path collision (/x/y)",
    )
    assert world.commit("out").root is None


@pytest.mark.parametrize("name", ["a*b", "ä", "x[1]", "a\tb"])
def test_a_bad_output_name_fails_the_datum(world: World, name: str) -> None:
    world.make_repos("data")
    world.runtime.programs["bad"] = lambda run: run.write(name, b"")
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data"), cmd="bad"))
    job = world.wait("out")
    (datum,) = world.datums(job)
    assert (job.state, datum.state) == (JobState.FAILURE, DatumState.FAILED)
    world.wait_for_line("output could not be stored", LogFilter(job=job.key, datum=datum.id))


def test_a_program_error_of_the_runtime_ends_the_job(world: World) -> None:
    world.make_repos("data")

    def broken(_: Run) -> None:
        raise OSError("no space left on device")

    world.runtime.programs["broken"] = broken
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data"), cmd="broken"))
    job = world.wait("out")
    assert (job.state, job.reason) == (JobState.FAILURE, "no space left on device")


def test_a_job_waits_for_a_store_that_can_not_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make_repos("data")
    world.put("data", THREE)
    world.runtime.programs["hold"] = world.runtime.copy_when("go")
    world.create(make_spec("out", pfs_input("data"), cmd="hold"))
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    failed = threading.Event()

    def unreadable(*_: object) -> None:
        failed.set()
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "is_ended", unreadable)
        with world.files.transaction() as tx:
            tx.connection.execute("UPDATE jobs SET state = state")
        assert failed.wait(30)
        world.runtime.wait_until(lambda: world.runtime.runs[0].killed)
    world.runtime.raise_flag("go")
    world.succeed("out")
    assert world.content("out") == THREE


def test_a_job_whose_datums_can_not_be_recorded_by_a_mistake_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr(datum_store, "record", refuse)
    world.make_repos("data")
    world.put("data", {"/a": b"1", "/b": b"2"})
    world.create(make_spec("out", pfs_input("data")))
    job = world.wait("out")
    assert job.state is JobState.FAILURE
    assert "a mistake" in job.reason
    assert world.counts(job) == {"total": 2}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (sqlite3.OperationalError("database or disk is full"), "No space left on device"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "Disk quota exceeded"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only file system"),
    ],
    ids=["full", "quota", "read-only"],
)
def test_a_job_waits_for_a_disk_that_can_be_written_to(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    world.make_repos("data")
    world.put("data", {"/a": b"1", "/b": b"2"})
    with monkeypatch.context() as patch:
        patch.setattr(datum_store, "record", refuse)
        world.create(make_spec("out", pfs_input("data")))
        world.wait_until(lambda: world.pipeline("out").state is PipelineState.CRASHING)
        assert words in world.pipeline("out").reason
        assert not world.job("out").state.is_terminal
    job = world.succeed("out")
    assert world.counts(job) == {"total": 2, "processed": 2}
    world.wait_until(lambda: world.pipeline("out").state is PipelineState.RUNNING)


@pytest.mark.parametrize(
    ("module", "function"),
    [(pipelines, "running"), (logs.LogWriter, "_store")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_mistake_of_ours_ends_no_thread(
    copied: World, monkeypatch: pytest.MonkeyPatch, module: object, function: str
) -> None:
    made = threading.Event()

    def mistaken(*_: object) -> None:
        made.set()
        raise ValueError("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr(module, function, mistaken)
        copied.create(make_spec("late", pfs_input("data")))
        assert made.wait(30)
    copied.succeed("late")
    names = {thread.name for thread in threading.enumerate()}
    assert {"scheduler", "clock", "logs"} <= names


# --- ended from outside ---------------------------------------------------------------------------


@pytest.fixture
def held(world: World) -> World:
    """Return a world whose pipeline `out` is at work on three files until `go` is raised."""
    world.make_repos("data")
    world.runtime.programs["hold"] = world.runtime.copy_when("go")
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data"), cmd="hold"))
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 1)
    return world


def test_a_stopped_job_is_killed_at_once(held: World) -> None:
    job = held.job("out")
    held.end(job)
    stopped = held.job("out", job.id)
    assert (stopped.state, stopped.reason) == (JobState.KILLED, "job stopped")
    assert held.commit("out").error == "job stopped"
    held.runtime.wait_until(lambda: held.runtime.runs[0].killed)
    held.runtime.raise_flag("go")
    held.put("data", {"/d": b"4"})
    assert held.counts(held.succeed("out")) == {"total": 4, "processed": 4}
    assert held.job("out", job.id) == stopped


def test_jobs_that_wait_end_in_the_order_in_which_they_came(held: World) -> None:
    held.put("data", {"/m": b"4"})
    held.put("data", {"/d": b"5"})
    held.runtime.raise_flag("go")
    held.succeed("out")
    ended = [job.finished or 0 for job in held.jobs("out")]
    assert len(ended) == 3
    assert sorted(ended) == ended
    assert all(ended)


def test_an_ended_job_is_not_taken_up_again(held: World) -> None:
    job = held.job("out")
    held.end(job)
    with held.files.transaction() as tx:
        for state in (JobState.STARTING, JobState.RUNNING, JobState.FINISHING):
            jobs.set_state(tx, job, state)
    assert held.job("out", job.id).state is JobState.KILLED


def test_a_job_that_takes_too_long_is_killed(world: World) -> None:
    world.make_repos("data")
    world.runtime.programs["hold"] = world.runtime.copy_when("never")
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data"), cmd="hold", job_timeout="0.2s"))
    job = world.wait("out")
    assert (job.state, job.reason) == (JobState.KILLED, "job timeout exceeded")


def test_the_datum_timeout_is_given_to_the_runtime(world: World) -> None:
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.create(make_spec("out", pfs_input("data"), datum_timeout="7s"))
    world.succeed("out")
    assert world.runtime.runs[0].invocation.timeout_s == 7


def test_an_update_kills_the_old_versions_job(held: World) -> None:
    old = held.job("out")
    held.create(make_spec("out", pfs_input("data")), update=True)
    killed = held.job("out", old.id)
    assert killed.state is JobState.KILLED
    assert killed.reason.startswith("all jobs killed because pipeline was updated")
    new = held.succeed("out")
    assert (new.version, held.counts(new)) == (2, {"total": 3, "processed": 3})
    assert held.content("out") == THREE


def test_a_pipeline_can_be_deleted_at_work(held: World) -> None:
    pipeline = held.pipeline("out")
    with held.files.transaction() as tx:
        pipelines.delete(tx, held.files.objects, pipeline, force=False, keep_repo=False)
    held.runtime.wait_until(lambda: held.runtime.runs[0].killed)
    with pytest.raises(NotFoundError):
        held.pipeline("out")
    with pytest.raises(NotFoundError):
        held.commit("out")
    held.runtime.raise_flag("go")
    held.create(make_spec("out", pfs_input("data")))
    assert held.counts(held.succeed("out")) == {"total": 3, "processed": 3}


def test_a_deleted_pipeline_may_leave_its_output(copied: World) -> None:
    with copied.files.transaction() as tx:
        pipelines.delete(
            tx, copied.files.objects, copied.pipeline("out"), force=False, keep_repo=True
        )
    assert copied.content("out") == THREE
    copied.put("data", {"/d": b"4"})
    copied.put("out", {"/mine": b"!"})
    assert copied.content("out") == {**THREE, "/mine": b"!"}


@pytest.mark.parametrize("keep_repo", [False, True])
def test_a_pipeline_can_be_deleted_whatever_is_left_of_it(copied: World, keep_repo: bool) -> None:
    pipeline = copied.pipeline("out")
    with copied.files.transaction() as tx:
        delete_branch(tx, pipeline.spec.output, force=True)
        delete_repo(tx, pipeline.spec.repo.of_type("meta"), force=True)
    with copied.files.transaction() as tx:
        pipelines.delete(tx, copied.files.objects, pipeline, force=False, keep_repo=keep_repo)
    with copied.files.snapshot() as connection:
        assert list(pipelines.list_pipelines(connection)) == []


def test_a_stopped_pipeline_does_nothing_until_it_is_started(held: World) -> None:
    job = held.job("out")
    with held.files.transaction() as tx:
        pipelines.stop(tx, held.files.objects, held.pipeline("out"))
    assert held.job("out", job.id).state is JobState.KILLED
    assert held.pipeline("out").state is PipelineState.PAUSED
    held.put("data", {"/d": b"4"})
    assert len(held.jobs("out")) == 1
    held.runtime.raise_flag("go")
    with held.files.transaction() as tx:
        pipelines.start(tx, held.pipeline("out"))
    assert held.pipeline("out").state is PipelineState.RUNNING
    assert held.counts(held.succeed("out")) == {"total": 4, "processed": 4}


def test_an_update_keeps_a_stopped_pipeline_stopped(copied: World) -> None:
    with copied.files.transaction() as tx:
        pipelines.stop(tx, copied.files.objects, copied.pipeline("out"))
    copied.create(make_spec("out", pfs_input("data"), description="new"), update=True)
    assert copied.pipeline("out").stopped
    assert len(copied.jobs("out")) == 1


def test_a_forgotten_job_leaves_its_output(copied: World) -> None:
    job = copied.succeed("out")
    with copied.files.transaction() as tx:
        jobs.delete(tx, copied.files.objects, job)
    assert copied.jobs("out") == []
    assert copied.content("out") == THREE
    copied.put("data", {"/d": b"4"})
    assert copied.counts(copied.succeed("out")) == {"total": 4, "processed": 4}
    assert copied.content("out") == {**THREE, "/d": b"4"}


# --- a restart ------------------------------------------------------------------------------------


def test_after_a_restart_finished_datums_are_not_run_again(world: World) -> None:
    world.make_repos("data")

    def hold_the_last(run: Run) -> None:
        if "data/c" in run.inputs:
            run.wait_until(lambda: "go" in world.runtime.open_flags)
        copy(run)

    world.runtime.programs["hold"] = hold_the_last
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data"), cmd="hold"))
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 3)
    id_ = world.job("out").id
    world.restart()
    assert world.job("out").state is JobState.RUNNING
    world.runtime.raise_flag("go")
    job = world.succeed("out")
    assert (job.id, job.restart) == (id_, 1)
    assert world.counts(job) == {"total": 3, "processed": 3}
    ran = [path for run in world.runtime.runs for path in run.invocation.env["data"].split()]
    assert ran == ["/pfs/data/a", "/pfs/data/b", "/pfs/data/c", "/pfs/data/c"]
    assert world.content("out") == THREE


def test_what_came_while_nothing_ran_is_done_after_a_restart(copied: World) -> None:
    copied.scheduler.close()
    copied.put("data", {"/d": b"4"})
    copied.logs.close()
    copied.files.close()
    copied._open()
    assert copied.counts(copied.succeed("out")) == {"total": 4, "processed": 1, "skipped": 3}


def test_a_job_that_was_killed_while_nothing_ran_stays_killed(held: World) -> None:
    job = held.job("out")
    held.scheduler.close()
    held.end(job)
    held.logs.close()
    held.files.close()
    held._open()
    held.runtime.raise_flag("go")
    held.put("data", {"/d": b"4"})
    held.succeed("out")
    assert held.job("out", job.id).state is JobState.KILLED


# --- side by side ---------------------------------------------------------------------------------


def test_workers_run_side_by_side(world: World) -> None:
    world.make_repos("data")
    together = threading.Barrier(4)

    def meet(run: Run) -> None:
        together.wait(timeout=20)  # passes only when four are here at once
        copy(run)

    world.runtime.programs["meet"] = meet
    world.put("data", {f"/{number}": b"" for number in range(8)})
    world.create(
        make_spec("out", pfs_input("data"), cmd="meet", parallelism_spec={"constant": "4"})
    )
    assert world.counts(world.succeed("out")) == {"total": 8, "processed": 8}
    assert len({run.worker for run in world.runtime.runs}) == 4


def test_what_a_worker_does_can_be_seen(held: World) -> None:
    (status,) = held.scheduler.workers(held.pipeline("out").key)
    job = held.job("out")
    assert (status.job, status.datum) == (job.id, held.datums(job)[0].id)
    held.runtime.raise_flag("go")
    held.succeed("out")
    held.wait_until(lambda: not held.scheduler.workers(held.pipeline("out").key)[0].job)


def test_a_broken_worker_stops_the_others(world: World) -> None:
    world.make_repos("data")

    def one_breaks(run: Run) -> None:
        if "data/a" in run.inputs:
            world.runtime.wait_until(lambda: len(world.runtime.runs) == 3)
            raise OSError("broken")
        run.wait_until(lambda: False)

    world.runtime.programs["break"] = one_breaks
    world.put("data", THREE)
    world.create(
        make_spec("out", pfs_input("data"), cmd="break", parallelism_spec={"constant": "3"})
    )
    job = world.wait("out")
    assert (job.state, job.reason) == (JobState.FAILURE, "broken")
    assert sum(run.killed for run in world.runtime.runs) >= 2


# --- pipelines ------------------------------------------------------------------------------------


def test_a_pipeline_exists_once(copied: World) -> None:
    with pytest.raises(AlreadyExistsError, match=r'^pipeline "default/out" already exists$'):
        copied.create(make_spec("out", pfs_input("data")))


def test_a_pipeline_needs_its_name_for_its_repo(world: World) -> None:
    world.make_repos("data", "out")
    with pytest.raises(AlreadyExistsError, match="a repo with the same name already exists"):
        world.create(make_spec("out", pfs_input("data")))


def test_a_pipeline_needs_its_input_repo(world: World) -> None:
    with pytest.raises(NotFoundError, match=r"^repo default/data not found$"):
        world.create(make_spec("out", pfs_input("data")))
    with pytest.raises(NotFoundError):
        world.commit("out")


def test_a_pipeline_cannot_read_what_it_leads_to(copied: World) -> None:
    copied.create(make_spec("next", pfs_input("out", name="before")))
    for name, input_ in (("out", "next"), ("out", "out")):
        with pytest.raises(FailedPreconditionError):
            copied.create(make_spec(name, pfs_input(input_, name="before")), update=True)
    assert copied.pipeline("out").version == 1


def test_an_update_creates_what_is_not_there(world: World) -> None:
    world.make_repos("data")
    assert world.create(make_spec("out", pfs_input("data")), update=True).version == 1


def test_an_update_may_change_the_output_branch(copied: World) -> None:
    spec = make_spec("out", pfs_input("data"), output_branch="results")
    copied.create(spec, update=True)
    copied.wait("out")
    copied.put("data", {"/d": b"4"})
    job = copied.succeed("out")
    assert copied.commit("out", "results").name.id == job.id
    assert copied.content("out", "results") == {**THREE, "/d": b"4"}
    assert copied.content("out", "master") == THREE
    with copied.files.snapshot() as connection:
        for name in (repo("out"), repo("out").of_type("meta")):
            old = inspect_branch(connection, BranchName(name, "master"))
            assert old.direct_provenance == ()
            new = inspect_branch(connection, BranchName(name, "results"))
            assert new.direct_provenance


def test_an_update_may_change_the_input(copied: World) -> None:
    copied.make_repos("other")
    copied.put("other", {"/z": b"26"})
    copied.create(make_spec("out", pfs_input("other")), update=True)
    assert copied.counts(copied.succeed("out")) == {"total": 1, "processed": 1}
    assert copied.content("out") == {"/z": b"26"}
    before = len(copied.jobs("out"))
    copied.put("data", {"/d": b"4"})
    assert len(copied.jobs("out")) == before


def test_earlier_versions_can_be_seen(copied: World) -> None:
    copied.create(make_spec("out", pfs_input("data"), description="two"), update=True)
    with copied.files.snapshot() as connection:
        versions = list(pipelines.list_pipelines(connection, history_depth=-1))
        assert [info.version for info in versions] == [2, 1]
        key = versions[0].key
        assert pipelines.by_key(connection, key, 1).spec.description == ""
        assert pipelines.by_key(connection, key).spec.description == "two"


# --- what a command sees, and leaves --------------------------------------------------------------


def test_a_command_gets_its_environment_and_standard_input(copied: World) -> None:
    transform = {"env": {"MINE": "1", "data": "overridden"}, "stdin": ["one", "two"]}
    copied.create(
        make_spec("out", pfs_input("data"), transform=transform), update=True, reprocess=True
    )
    job = copied.succeed("out")
    run = copied.runtime.runs[-1]
    assert run.invocation.stdin == b"one\ntwo\n"
    env = dict(run.invocation.env)
    assert env["MINE"] == "1"
    assert env["data"] == "/pfs/data/c"
    assert env["data_COMMIT"] == copied.commit("data").name.id
    assert env["PACH_JOB_ID"] == env["PACH_OUTPUT_COMMIT_ID"] == job.id
    assert env["PACH_DATUM_ID"] == copied.datums(job)[2].id.hex()
    assert env["PPS_PIPELINE_NAME"] == "out"
    assert env["PPS_SPEC_COMMIT"] == copied.pipeline("out").spec_commit
    assert (env["PACH_NAMESPACE"], env["PPS_WORKER_IP"]) == ("default", "127.0.0.1")


def output_of(world: World, tmp_path: Path, leave: Callable[[Run], None]) -> dict[str, bytes] | str:
    """Run one datum that leaves something in `out`; return the output, or why there is none."""
    world.make_repos("data")
    world.runtime.programs["leave"] = leave
    world.put("data", {"/dir/a": b"1", "/dir/b": b"2"})
    world.create(make_spec("out", pfs_input("data"), cmd="leave"))
    job = world.wait("out")
    if job.state is JobState.SUCCESS:
        return world.content("out")
    return world.wait_for_line("output could not be stored", LogFilter(job=job.key))


def test_links_to_inputs_are_followed(world: World, tmp_path: Path) -> None:
    def leave(run: Run) -> None:
        out = run.pfs / "out"
        (out / "file").symlink_to(run.pfs / "data/dir/a")
        (out / "folder").symlink_to("/pfs/data/dir")
        (out / "near").symlink_to("../data/dir/b")
        (out / "twice").symlink_to("near")

    assert output_of(world, tmp_path, leave) == {
        "/file": b"1",
        "/folder/a": b"1",
        "/folder/b": b"2",
        "/near": b"2",
        "/twice": b"2",
    }


@pytest.mark.parametrize("glob", ["/", "/dir", "/dir/*"])
@pytest.mark.parametrize("mode", ["empty_files", "lazy"])
def test_a_link_to_a_name_alone_gives_the_content_of_the_inputs_file(
    world: World, mode: str, glob: str
) -> None:
    large = os.urandom(3_000_000)

    def shuffle(run: Run) -> None:
        for path in run.inputs:
            name = path.rpartition("/")[2]
            for kind, target in (
                ("absolute", f"/pfs/{path}"),
                ("near", f"../../{path}"),
                ("chain", f"../near/{name}"),
                ("folder", f"/pfs/{path.rpartition('/')[0]}"),
            ):
                place = run.pfs / "out" / kind / name
                place.parent.mkdir(exist_ok=True)
                place.symlink_to(target)
        if mode == "empty_files":
            assert set(run.inputs.values()) == {b""}

    world.make_repos("data")
    world.runtime.programs["shuffle"] = shuffle
    files = {"/dir/a": b"1", "/dir/a.b": b"", "/dir/large": large}
    world.put("data", files)
    world.create(make_spec("out", pfs_input("data", glob, **{mode: True}), cmd="shuffle"))
    world.succeed("out")
    content = world.content("out")
    for path, data in files.items():
        name = path.rpartition("/")[2]
        links = {f"/{kind}/{name}" for kind in ("absolute", "near", "chain")}
        assert {content[link] for link in links} == {data}
        assert content[f"/folder/{name}/{name}"] == data


@pytest.mark.parametrize(
    "target", ["/etc/hostname", "../../../x", "/pfs/../etc/hostname", "/pfs/none", "loop", "."]
)
def test_links_elsewhere_are_refused(world: World, tmp_path: Path, target: str) -> None:
    def leave(run: Run) -> None:
        (run.pfs / "out" / "loop").symlink_to(target)

    reason = output_of(world, tmp_path, leave)
    assert isinstance(reason, str)
    assert "/pfs/out/loop" in reason


@pytest.mark.parametrize("target", ["/pfs", "/pfs/out", "..", "."])
def test_an_output_that_would_contain_itself_is_refused(
    world: World, tmp_path: Path, target: str
) -> None:
    def leave(run: Run) -> None:
        (run.pfs / "out" / "c").symlink_to(target)

    assert "which /pfs/out itself is in" in str(output_of(world, tmp_path, leave))


@pytest.mark.parametrize("target", [None, "/pfs/none", b"/\xff"], ids=["pipe", "none", "bytes"])
def test_a_reason_can_be_read_whatever_bytes_are_in_a_name(
    world: World, tmp_path: Path, target: str | bytes | None
) -> None:
    def leave(run: Run) -> None:
        place = run.pfs / "out" / os.fsdecode(b"a\xffb")
        if target is None:
            os.mkfifo(place)
        else:
            place.symlink_to(os.fsdecode(target))

    assert "/pfs/out/a\ufffdb" in str(output_of(world, tmp_path, leave))
    assert "/pfs/out/a\ufffdb" in world.job("out").reason


def test_a_folder_link_that_leads_out_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x").write_bytes(b"secret")

    def leave(run: Run) -> None:
        (run.pfs / "data" / "way").symlink_to(tmp_path / "secret")
        (run.pfs / "out" / "x").symlink_to("../data/way/x")

    assert "outside /pfs" in str(output_of(world, tmp_path, leave))


def test_links_to_what_the_machine_holds_are_followed(world: World, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "deep").symlink_to("/pfs/data/dir")
    (tmp_path / "x").write_bytes(b"x")
    (tmp_path / "dir" / "y").symlink_to("../x")
    world.runtime.place_of = Path

    def leave(run: Run) -> None:
        (run.pfs / "out" / "x").symlink_to(tmp_path / "x")
        (run.pfs / "out" / "near").symlink_to(f"../..{tmp_path}/dir/../x")
        (run.pfs / "out" / "dir").symlink_to(tmp_path / "dir")

    assert output_of(world, tmp_path, leave) == {
        "/x": b"x",
        "/near": b"x",
        "/dir/y": b"x",
        "/dir/deep/a": b"1",
        "/dir/deep/b": b"2",
    }


@pytest.mark.parametrize("target", ["/", "/proc/self/status", "/sys", "/none", "{pfs}/../.."])
def test_links_to_what_cannot_be_output_are_refused(
    world: World, tmp_path: Path, target: str
) -> None:
    world.runtime.place_of = Path

    def leave(run: Run) -> None:
        (run.pfs / "out" / "loop").symlink_to(target.format(pfs=run.pfs))

    assert "/pfs/out/loop links to /" in str(output_of(world, tmp_path, leave))


def test_empty_folders_vanish_and_empty_files_stay(world: World, tmp_path: Path) -> None:
    def leave(run: Run) -> None:
        (run.pfs / "out" / "empty" / "folder").mkdir(parents=True)
        run.write("file", b"")

    assert output_of(world, tmp_path, leave) == {"/file": b""}


def test_an_output_may_be_as_deep_as_a_path(world: World, tmp_path: Path) -> None:
    deepest = "a/" * (paths.MAX_DEPTH - 1) + "file"
    found = output_of(world, tmp_path, lambda run: run.write(deepest, b"deep"))
    assert found == {f"/{deepest}": b"deep"}


@pytest.mark.parametrize("depth", [paths.MAX_DEPTH, 300])
def test_a_deeper_output_is_refused(world: World, tmp_path: Path, depth: int) -> None:
    found = output_of(world, tmp_path, lambda run: run.write("a/" * depth + "file", b"deep"))
    assert f"more than {paths.MAX_DEPTH} folders deep" in str(found)


def test_names_only_are_laid_out_where_that_is_asked_for(world: World) -> None:
    world.make_repos("data")
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data", empty_files=True)))
    world.succeed("out")
    assert world.content("out") == dict.fromkeys(THREE, b"")


# --- logs -----------------------------------------------------------------------------------------


def test_logs_are_kept_and_filtered(world: World) -> None:
    world.make_repos("data")

    def talk(run: Run) -> None:
        run.say(f"hello from {run.invocation.env['data']}")

    world.runtime.programs["talk"] = talk
    world.put("data", THREE)
    world.create(make_spec("out", pfs_input("data"), cmd="talk"))
    job = world.succeed("out")
    first, *_ = world.datums(job)
    world.restart()  # all that was written is stored

    def messages(wanted: LogFilter, *, user: bool = True) -> list[str]:
        return [line.message for line in world.log(wanted) if line.user is user]

    hello = [f"hello from /pfs/data/{name}" for name in "abc"]
    assert messages(LogFilter(pipeline=world.pipeline("out").key)) == hello
    assert messages(LogFilter(job=job.key)) == hello
    assert messages(LogFilter(job=job.key, datum=first.id)) == hello[:1]
    assert messages(LogFilter(job=job.key, master=True)) == []
    assert messages(LogFilter(job=job.key, since=2**62)) == []
    assert messages(LogFilter(job=job.key + 1)) == []
    worker = messages(LogFilter(job=job.key, datum=first.id, master=False), user=False)
    assert worker[1] == "beginning to run user code"
    assert worker[2].startswith("finished running user code after")
    master = world.log(LogFilter(pipeline=world.pipeline("out").key, master=True))
    assert master[0].message == "transform spawner started"


def test_the_last_lines_can_be_asked_for(copied: World) -> None:
    job = copied.succeed("out")
    copied.restart()
    everything = copied.log(LogFilter(job=job.key))
    for count in (1, 4, len(everything), 1000):
        assert copied.log(LogFilter(job=job.key), count) == everything[-count:]


def test_logs_go_with_their_pipeline(copied: World) -> None:
    pipeline = copied.pipeline("out")
    with copied.files.transaction() as tx:
        pipelines.delete(tx, copied.files.objects, pipeline, force=False, keep_repo=False)
    copied.restart()
    assert copied.log(LogFilter()) == []
