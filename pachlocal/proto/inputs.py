"""Walks through a pipeline's input, whatever ways the API has of combining inputs."""

from __future__ import annotations

from collections.abc import Iterator

from pachlocal.proto import pps_pb2

COMBINATIONS = tuple(
    field.name
    for field in pps_pb2.Input.DESCRIPTOR.fields
    if field.message_type is pps_pb2.Input.DESCRIPTOR
)
"""The fields of an input that combine others: `cross`, `union` and so on."""


def arms(input_: pps_pb2.Input) -> list[pps_pb2.Input]:
    """Return the inputs that an input combines, in order; none for a leaf."""
    return [arm for kind in COMBINATIONS for arm in getattr(input_, kind)]


def leaves(input_: pps_pb2.Input) -> Iterator[pps_pb2.PFSInput | pps_pb2.CronInput]:
    """Yield what an input reads, in the order of the API: of files, and of the clock."""
    if input_.HasField("pfs"):
        yield input_.pfs
    elif input_.HasField("cron"):
        yield input_.cron
    for arm in arms(input_):
        yield from leaves(arm)
