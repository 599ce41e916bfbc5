"""Whether a command's interpreter may be kept from datum to datum, and what differs then."""

from __future__ import annotations

import pytest
from pps_world import World, make_spec, pfs_input

from pachlocal.pps.spec.spec import effective, parse


@pytest.mark.parametrize(
    ("metadata", "warm"),
    [
        (None, True),
        ({}, True),
        ({"labels": {"pachlocal.io/warm": "false"}}, True),
        ({"annotations": {"pachlocal.io/warm": "true"}}, True),
        ({"annotations": {"pachlocal.io/warm": "false"}}, False),
    ],
)
def test_an_annotation_turns_it_off(metadata: dict[str, object] | None, warm: bool) -> None:
    more = {} if metadata is None else {"metadata": metadata}
    assert parse(effective(make_spec("p", pfs_input("data"), **more))).warm is warm


@pytest.mark.parametrize("warm", ["true", "false"])
def test_a_runtime_is_told_what_varies(world: World, warm: str) -> None:
    world.make_repos("data")
    found: list[frozenset[str] | None] = []
    world.runtime.programs["look"] = lambda run: found.append(run.invocation.varying)
    metadata = {"annotations": {"pachlocal.io/warm": warm}}
    world.create(make_spec("p", pfs_input("data"), "look", metadata=metadata))
    world.put("data", {"/a": b""})
    world.succeed("p")
    names = {"data", "data_COMMIT", "PACH_DATUM_ID", "PACH_JOB_ID", "PACH_OUTPUT_COMMIT_ID"}
    assert found == [names if warm == "true" else None]
