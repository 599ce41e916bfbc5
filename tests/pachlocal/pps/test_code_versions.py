"""Which code a job runs, and a datum's output was made by."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest
from pps_world import Run, World, fail, make_spec, pfs_input

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.upkeep.check import fsck
from pachlocal.pfs.upkeep.collection import collect_garbage
from pachlocal.pps.spec.spec import effective
from pachlocal.pps.spec.states import PipelineState
from pachlocal.pps.tables import code_versions, jobs
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.runtime.code_folder import CodeFolder
from pachlocal.runtime.contract import CodeSource


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Path:
    """The folder of all images."""
    folder = tmp_path / "stage"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "helpers.py").write_text("first")
    (folder / "run.sh").write_text("run")
    (folder / "run.sh").chmod(0o750)
    (folder / "link").symlink_to("lib/helpers.py")
    os.mkfifo(folder / "pipe")
    world.runtime.source = CodeSource(
        folder=CodeFolder("fake", folder), layouts=tmp_path / "layouts"
    )
    world.make_repos("data")
    return folder


def versions(world: World, job: JobInfo) -> dict[str, str]:
    """Return the short version of each of a job's datums, by its file."""
    with world.files.snapshot() as connection:
        return {
            datum.files[0].path: found.short if found else ""
            for datum in world.datums(job)
            for found in [code_versions.by_key(connection, datum.code)]
        }


def delete(world: World, job: JobInfo) -> None:
    with world.files.transaction() as tx:
        jobs.delete(tx, world.files.objects, job)


def shown(world: World) -> Path:
    """Return what the last worker that was opened shows as /code."""
    folder = world.runtime.opened[-1].code
    assert folder is not None
    return folder


def test_jobs_run_what_the_folder_held_when_they_started(world: World, stage: Path) -> None:
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    first = world.succeed("one")
    code = shown(world)
    assert (code / "lib" / "helpers.py").read_text() == (code / "link").read_text() == "first"
    assert stat.S_IMODE((code / "run.sh").stat().st_mode) == 0o750
    assert (code / "link").is_symlink()
    assert sorted(path.name for path in code.iterdir()) == ["lib", "link", "run.sh"]

    # Unchanged code is the same files in the same worker; also when it was only touched.
    os.utime(stage / "run.sh")
    world.put("data", {"/b": b"2"})
    second = world.succeed("one")
    assert len(world.runtime.opened) == 1
    assert second.code == first.code

    # A save while a job is at work is the next job's.
    world.runtime.programs["copy"] = world.runtime.copy_when("saved")
    world.put("data", {"/c": b"3"})
    world.runtime.wait_until(lambda: len(world.runtime.runs) == 3)
    (stage / "lib" / "helpers.py").write_text("second")
    assert (code / "lib" / "helpers.py").read_text() == "first"
    world.runtime.raise_flag("saved")
    third = world.succeed("one")
    world.put("data", {"/d": b"4"})
    fourth = world.succeed("one")
    assert (shown(world) / "lib" / "helpers.py").read_text() == "second"
    assert len(world.runtime.opened) == 2

    old = set(versions(world, third).values())
    assert len(old) == 1
    told = versions(world, fourth)
    assert {told["/a"], told["/b"], told["/c"]} == old
    assert told["/d"] not in old
    with world.files.snapshot() as connection:
        counts = [count for _, count in code_versions.of_outputs(connection, fourth.key)]
        assert counts == [3, 1]
        changed = code_versions.differences(
            *(
                code_versions.load(world.files.objects, found.root)
                for found, _ in code_versions.of_outputs(connection, fourth.key)
                if found.root is not None
            )
        )
    assert changed == ["lib/helpers.py"]


def test_a_job_keeps_its_code_over_a_restart(world: World, stage: Path) -> None:
    world.runtime.programs["copy"] = world.runtime.copy_when("go")
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    world.runtime.wait_until(lambda: bool(world.runtime.runs))
    (stage / "run.sh").write_text("another")
    world.restart()
    world.runtime.raise_flag("go")
    job = world.succeed("one")
    assert len(world.runtime.opened) == 2
    assert (shown(world) / "run.sh").read_text() == "run"
    assert set(versions(world, job).values()) == {versions(world, job)["/a"]}


def test_a_datum_keeps_its_version_without_the_job(world: World, stage: Path) -> None:
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    first = world.succeed("one")
    (stage / "run.sh").write_text("another")
    world.put("data", {"/b": b"2"})
    second = world.succeed("one")
    before = versions(world, second)
    delete(world, first)
    assert not collect_garbage(world.files, dry_run=False).objects
    assert versions(world, second) == before
    assert list(fsck(world.files)) == []
    with world.files.snapshot() as connection:
        found = code_versions.by_key(connection, first.code)
        assert found is not None
        assert found.root is not None
        files = code_versions.load(world.files.objects, found.root)
    assert sorted(files) == ["lib", "lib/helpers.py", "link", "run.sh"]


def test_code_that_nothing_is_by_is_garbage_and_stored_again(world: World, stage: Path) -> None:
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    delete(world, world.succeed("one"))
    assert collect_garbage(world.files, dry_run=False).objects
    with world.files.snapshot() as connection:
        assert connection.execute("SELECT 1 FROM code_versions").fetchone() is None
    world.put("data", {"/b": b"2"})
    world.succeed("one")
    assert list(fsck(world.files)) == []


def test_what_a_command_changes_in_its_code_is_gone_in_the_next_job(
    world: World, stage: Path
) -> None:
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    world.succeed("one")
    (shown(world) / "run.sh").write_text("overwritten")
    world.put("data", {"/b": b"2"})
    world.succeed("one")
    assert (shown(world) / "run.sh").read_text() == "run"


def test_a_folder_that_cant_be_taken_is_the_reason_until_it_can(
    world: World, stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count()
    scan = CodeFolder.scan

    def changing(folder: CodeFolder) -> object:
        (stage / "run.sh").write_text(f"{next(numbers)}")
        return scan(folder)

    monkeypatch.setattr(CodeFolder, "scan", changing)
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    reason = f"image fake is built from {stage}, which changes while it is read (run.sh)"
    world.wait_until(lambda: reason in world.pipeline("one").reason)
    assert world.pipeline("one").state is PipelineState.CRASHING
    assert not world.runtime.runs
    monkeypatch.undo()
    world.succeed("one")


def test_images_that_hold_their_code_are_their_own_version(world: World) -> None:
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    world.runtime.source = CodeSource(image_id="sha256:0123456789abcdef")
    world.create(make_spec("one", pfs_input("data")))
    assert versions(world, world.succeed("one")) == {"/a": "0123456789ab"}
    world.runtime.source = CodeSource(image_id="sha256:fedcba9876543210")
    world.put("data", {"/b": b"1"})
    told = versions(world, world.succeed("one"))
    assert told == {"/a": "0123456789ab", "/b": "fedcba987654"}
    assert len(world.runtime.opened) == 2
    world.runtime.source = None
    world.put("data", {"/c": b"1"})
    assert versions(world, world.succeed("one"))["/c"] == ""


def test_now_reads_only_what_has_changed(
    world: World, stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (stage, *stage.rglob("*")):
        os.utime(path, (1, 1), follow_symlinks=False)
    monkeypatch.setattr("pachlocal.pps.worker.code._SETTLED_NS", -(10**18))
    name, files = world.scheduler.code.now("fake")
    opened = []
    take = CodeFolder.open
    monkeypatch.setattr(
        CodeFolder, "open", lambda folder, path: opened.append(path) or take(folder, path)
    )
    assert world.scheduler.code.now("fake") == (name, files)
    assert not opened
    (stage / "new.py").touch()
    other, _ = world.scheduler.code.now("fake")
    assert other != name
    assert "new.py" in opened


COUNTS = {"metadata": {"annotations": {"pachlocal.io/code": "true"}}}


def says(world: World, stage: Path) -> None:
    """Have the program write what the stage says."""

    def program(run: Run) -> None:
        for path, data in run.inputs.items():
            code = (shown(world) / "run.sh").read_bytes()
            run.write(path.split("/", 1)[1], data + b" by " + code)

    world.runtime.programs["copy"] = program


def reasons(world: World, job: JobInfo) -> dict[str, str]:
    return {datum.files[0].path: datum.why for datum in world.datums(job)}


def test_code_that_counts_runs_again_and_going_back_runs_nothing(world: World, stage: Path) -> None:
    says(world, stage)
    world.put("data", {"/a": b"1", "/gone": b"0"})
    world.create(make_spec("one", pfs_input("data"), **COUNTS))
    first = world.succeed("one")
    (stage / "run.sh").write_text("new")
    world.put("data", {"/b": b"2"}, delete=["/gone"])
    second = world.succeed("one")
    assert world.content("one") == {"/a": b"1 by new", "/b": b"2 by new"}
    assert reasons(world, second)["/a"] == f"the code changed; processed before in job {first.id}"
    runs = len(world.runtime.runs)

    # The code and data of before: nothing runs, and the output and its records are those of then.
    (stage / "run.sh").write_text("run")
    world.put("data", {"/gone": b"0"}, delete=["/b"])
    third = world.succeed("one")
    assert len(world.runtime.runs) == runs
    assert world.content("one") == {"/a": b"1 by run", "/gone": b"0 by run"}
    assert set(reasons(world, third).values()) == {f"reused from job {first.id}"}
    meta = {
        path: data for path, data in world.content("one", type_="meta").items() if "/out/" in path
    }
    assert sorted(meta.values()) == [b"0 by run", b"1 by run"]

    # From there it goes on as ever.
    world.put("data", {"/c": b"3"})
    fourth = world.succeed("one")
    assert len(world.runtime.runs) == runs + 1
    assert reasons(world, fourth)["/a"] == f"unchanged since job {first.id}"
    assert world.content("one")["/c"] == b"3 by run"
    assert world.content("one")["/a"] == b"1 by run"
    assert list(fsck(world.files)) == []


def test_an_update_runs_what_the_code_changes_and_no_more(world: World, stage: Path) -> None:
    says(world, stage)
    world.put("data", {"/a": b"1"})
    spec = make_spec("one", pfs_input("data"), **COUNTS)
    world.create(spec)
    world.succeed("one")
    world.create(spec, update=True)
    world.succeed("one")
    assert len(world.runtime.runs) == 1
    (stage / "run.sh").write_text("new")
    world.create(spec, update=True)
    world.succeed("one")
    assert world.content("one") == {"/a": b"1 by new"}
    world.create(spec, update=True, reprocess=True)
    world.succeed("one")
    assert len(world.runtime.runs) == 3
    spec["transform"]["env"] = {"K": "2"}
    world.create(spec, update=True)
    job = world.succeed("one")
    assert reasons(world, job)["/a"].startswith("the command changed; processed before in job ")
    del spec["transform"]["env"]
    world.create(spec, update=True)
    world.succeed("one")
    assert len(world.runtime.runs) == 4


def test_code_begins_and_ceases_to_count_without_running_anything(
    world: World, stage: Path
) -> None:
    says(world, stage)
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data")))
    first = world.succeed("one")
    for more in (COUNTS, {}):
        world.create(make_spec("one", pfs_input("data"), **more), update=True)
        job = world.succeed("one")
        assert reasons(world, job) == {"/a": f"unchanged since job {first.id}"}
        assert world.content("one") == {"/a": b"1 by run"}
    assert len(world.runtime.runs) == 1
    (stage / "run.sh").write_text("new")
    world.create(make_spec("one", pfs_input("data"), **COUNTS), update=True)
    assert reasons(world, world.succeed("one"))["/a"].startswith("the code changed")
    assert world.content("one") == {"/a": b"1 by new"}
    assert list(fsck(world.files)) == []


def test_a_command_counts_without_a_folder_too(world: World) -> None:
    world.runtime.programs["copy"] = lambda run: None
    world.make_repos("data")
    world.put("data", {"/a": b"1"})
    spec = make_spec("one", pfs_input("data"), **COUNTS)
    world.create(spec)
    world.succeed("one")
    world.create(spec, update=True)
    world.succeed("one")
    assert len(world.runtime.runs) == 1
    spec["transform"]["env"] = {"K": "2"}
    world.create(spec, update=True)
    job = world.succeed("one")
    assert reasons(world, job)["/a"].startswith("the command changed; processed before in job ")


def test_a_datum_that_failed_with_other_code_is_not_reused(world: World, stage: Path) -> None:
    world.runtime.programs["copy"] = fail
    world.put("data", {"/a": b"1"})
    world.create(make_spec("one", pfs_input("data"), **COUNTS))
    assert world.wait("one").reason
    (stage / "run.sh").write_text("new")
    says(world, stage)
    world.put("data", {"/b": b"2"})
    world.succeed("one")
    (stage / "run.sh").write_text("run")
    world.put("data", {"/c": b"3"})
    world.succeed("one")
    assert world.content("one")["/a"] == b"1 by run"


def test_the_annotation_has_two_values() -> None:
    spec = make_spec("one", pfs_input("data"))
    spec["metadata"] = {"annotations": {"pachlocal.io/code": "yes"}}
    with pytest.raises(InvalidArgumentError, match='must be "true" or "false"'):
        effective(spec)
