"""Fields of a spec that change when datums run, and what is told of an idle pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from pps_world import World, make_spec, pfs_input

from pachlocal.errors import UnsupportedError
from pachlocal.pps.spec.spec import effective
from pachlocal.pps.spec.states import PipelineState


def test_an_autoscaling_pipeline_stands_by_while_idle_or_without_its_input(world: World) -> None:
    world.make_repos("data")
    world.runtime.programs["hold"] = world.runtime.copy_when("go")
    world.create(make_spec("p", pfs_input("data"), "hold", autoscaling=True))
    world.create(make_spec("next", pfs_input("p"), autoscaling=True))
    world.succeed("next")
    assert world.pipeline("p").state is PipelineState.STANDBY
    world.put("data", {"/a": b""})
    assert world.pipeline("p").state is PipelineState.RUNNING
    assert world.pipeline("next").state is PipelineState.STANDBY
    world.runtime.raise_flag("go")
    world.succeed("next")
    assert world.pipeline("p").state is PipelineState.STANDBY


def test_another_pipeline_runs_while_idle(world: World) -> None:
    world.make_repos("data")
    world.create(make_spec("p", pfs_input("data")))
    world.succeed("p")
    assert world.pipeline("p").state is PipelineState.RUNNING


def test_new_content_of_a_reference_makes_no_new_datum(world: World) -> None:
    world.make_repos("data", "words")
    input_ = {"cross": [pfs_input("data"), pfs_input("words", "/", reference=True)]}
    world.create(make_spec("p", input_))
    world.put("data", {"/a": b"1"})
    world.put("words", {"/w": b"1"})
    world.succeed("p")
    world.put("words", {"/w": b"2"})
    assert world.counts(world.succeed("p")) == {"total": 1, "skipped": 1}
    world.put("data", {"/a": b"2"})
    assert world.counts(world.succeed("p")) == {"total": 1, "processed": 1}
    assert world.content("p") == {"/a": b"2", "/w": b"2"}


@pytest.mark.parametrize(("field", "expected"), [("lazy", b"content"), ("empty_files", b"")])
def test_how_files_are_laid_out(world: World, field: str, expected: bytes) -> None:
    world.make_repos("data")
    world.create(make_spec("p", pfs_input("data", **{field: True})))
    world.put("data", {"/a": b"content"})
    world.succeed("p")
    assert world.content("p") == {"/a": expected}


def test_datum_sets_are_accepted(world: World) -> None:
    world.make_repos("data")
    world.create(make_spec("p", pfs_input("data"), datum_set_spec={"number": "2"}))
    world.put("data", {f"/{number}": b"" for number in range(5)})
    assert world.counts(world.succeed("p")) == {"total": 5, "processed": 5}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"egress": {"URL": "s3://bucket"}}, "egress needs a Pachyderm cluster; here: take"),
        ({"s3_out": True}, "s3_out needs a Pachyderm cluster; here: write to /pfs/out"),
        ({"determined": {}}, "determined needs a Pachyderm cluster"),
        ({"input": pfs_input("data", "/", s3=True)}, r"input\.pfs\.s3 needs a Pachyderm cluster"),
    ],
)
def test_what_only_a_cluster_does_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        effective(make_spec("p", **{"input_": pfs_input("data"), **_renamed(more)}))


def _renamed(more: dict[str, Any]) -> dict[str, Any]:
    return {"input_" if name == "input" else name: value for name, value in more.items()}
