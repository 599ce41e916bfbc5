"""The calls that the front knows: those of the services in `pachlocal.proto`."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pachlocal.proto import (
    admin_pb2,
    debug_pb2,
    enterprise_pb2,
    license_pb2,
    local_pb2,
    metadata_pb2,
    pfs_pb2,
    pps_pb2,
    transaction_pb2,
    version_pb2,
    worker_pb2,
)

_FILES = (
    *(admin_pb2, debug_pb2, enterprise_pb2, license_pb2, local_pb2, metadata_pb2),
    *(pfs_pb2, pps_pb2, transaction_pb2, version_pb2, worker_pb2),
)

PACKAGES = tuple(module.DESCRIPTOR.package for module in _FILES)
"""The protobuf packages of these services."""


class Method(NamedTuple):
    """A call.

    Attributes:
        path: As gRPC names it.
        request: The type of its requests.
        response: The type of its responses.
        client_streaming: Whether it takes several requests.
        server_streaming: Whether it gives several responses.
    """

    path: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool


@cache
def services() -> dict[str, ServiceDescriptor]:
    """Return all services by their full names."""
    return {
        service.full_name: service
        for module in _FILES
        for service in module.DESCRIPTOR.services_by_name.values()
    }


@cache
def find_method(service: str, name: str) -> Method | None:
    """Return a call by its names; None if there is none of these."""
    known = services().get(service)
    method = known.methods_by_name.get(name) if known is not None else None
    if method is None:
        return None
    return Method(
        path=f"/{service}/{name}",
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
    )
