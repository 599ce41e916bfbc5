"""The gRPC server: which services, on which address, with the limits that clients need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pachlocal.api import cluster, service
from pachlocal.api.debug import DebugApi
from pachlocal.api.local import LocalApi
from pachlocal.api.metadata import MetadataApi
from pachlocal.api.pfs import PfsApi
from pachlocal.api.pfs.sources import Sources
from pachlocal.api.pps import PpsApi
from pachlocal.api.transactions import Joining, TransactionApi
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.scheduler import Scheduler
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
)

_MESSAGE_LIMIT = 20 * 1024 * 1024  # bytes; Python clients send up to 19 MiB at once
_THREADS = 512  # a waiting call holds one; they are made as they are needed
_OPTIONS = (
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    # Go clients ping every 20 s, also without a call; the defaults would cut them off.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
    # Without it a second daemon could share the port of the first.
    ("grpc.so_reuseport", 0),
)


class AddressInUseError(Exception):
    """The address can't be listened on."""


class Server:
    """Serves one store. `start` binds; `stop` ends all calls."""

    def __init__(self, files: FileSystem, scheduler: Scheduler, sources: Sources) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
        self._server = grpc.server(self._pool, options=_OPTIONS)
        implementations = services(files, scheduler, sources)
        self._server.add_generic_rpc_handlers(
            [
                *(service.handlers(which, by) for which, by in implementations),
                service.PrefixHandler(cluster.INACTIVE_SERVICES, cluster.INACTIVE),
            ]
        )
        health_service = health.HealthServicer()
        for which, _ in implementations:  # how a client asks what is offered
            health_service.set(which.full_name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(health_service, self._server)
        reflection.enable_server_reflection(
            [
                *(which.full_name for which, _ in implementations),
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            ],
            self._server,
        )

    def bind(self, address: str) -> int:
        """Take an address (`host:port`; port 0 is any free one) and return the port.

        Raises:
            AddressInUseError: Somebody else has it, or it isn't ours.
        """
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError:
            raise AddressInUseError(address) from None

    def start(self) -> None:
        """Answer calls from now on."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones end for some seconds, then end them."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown()


def services(
    files: FileSystem, scheduler: Scheduler, sources: Sources
) -> list[tuple[ServiceDescriptor, object]]:
    """Return all services with what answers them."""
    pfs = PfsApi(files, sources)
    pps = PpsApi(files, scheduler)
    transactions = TransactionApi(files, (pfs, pps))
    return [
        (version_pb2.DESCRIPTOR.services_by_name["API"], cluster.VersionApi()),
        (admin_pb2.DESCRIPTOR.services_by_name["API"], cluster.AdminApi(files)),
        (pfs_pb2.DESCRIPTOR.services_by_name["API"], Joining(pfs, transactions)),
        (pps_pb2.DESCRIPTOR.services_by_name["API"], Joining(pps, transactions)),
        (transaction_pb2.DESCRIPTOR.services_by_name["API"], transactions),
        (metadata_pb2.DESCRIPTOR.services_by_name["API"], MetadataApi(files)),
        (debug_pb2.DESCRIPTOR.services_by_name["Debug"], DebugApi(files)),
        (enterprise_pb2.DESCRIPTOR.services_by_name["API"], cluster.EnterpriseApi()),
        (local_pb2.DESCRIPTOR.services_by_name["Local"], LocalApi(pfs)),
        (license_pb2.DESCRIPTOR.services_by_name["API"], cluster.LicenseApi()),
    ]
