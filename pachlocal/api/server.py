"""The gRPC server: which services, on which address, with the limits that clients need."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from pachlocal.api import cluster, service
from pachlocal.api.call_threads import CallThreads
from pachlocal.api.debug import DebugApi
from pachlocal.api.local import LocalApi
from pachlocal.api.metadata import MetadataApi
from pachlocal.api.pfs import PfsApi
from pachlocal.api.pfs.sources import Sources
from pachlocal.api.pps import PpsApi
from pachlocal.api.transactions import Joining, TransactionApi
from pachlocal.api.waiting_calls import WaitingCalls
from pachlocal.bounded import run_bounded
from pachlocal.errors import AddressInUseError
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.run.scheduler import Scheduler
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
from pachlocal.proto.limits import MAX_MESSAGE
from pachlocal.thread_affinity import gathered

_STOP_LIMIT_S = 3.0  # for gRPC; it takes as long as calls may, and little more
_CALLS = 1024  # at once, that last no longer than the store takes
_STREAMS = 6000  # at once, that last as long as their clients like; 25 MB for each 1000
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # Go clients ping every 20 s, also without a call; the defaults would cut them off.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
    # Calls that come faster than we take them: from 1000 on gRPC would cancel some.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    # Without it a second daemon could share the port of the first.
    ("grpc.so_reuseport", 0),
)


class APIServer:
    """Serves one store, by as many ways in as are opened before `start`; `stop` ends all calls."""

    def __init__(self, files: FileSystem, scheduler: Scheduler, sources: Sources) -> None:
        self._threads = CallThreads(_CALLS, "calls")
        streams = CallThreads(_STREAMS, "streams")
        self._capacity = service.Capacity(streams, WaitingCalls(streams))
        offered = services(files, scheduler, sources)
        self._handlers = [
            service.handlers([*offered, *_about(offered)], self._capacity),
            service.PrefixHandler(cluster.INACTIVE_SERVICES, cluster.INACTIVE),
            service.UnknownHandler(),  # the last one: gRPC asks them in this order
        ]
        self._ways: list[grpc.Server] = []
        self._is_started = False

    def open(
        self,
        address: str,
        gate: grpc.ServerInterceptor | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> int:
        """Open a way in: take an address.

        Args:
            address: `host:port`, where port 0 is any free one; or `unix:path`.
            gate: What each call has to pass.
            credentials: For TLS.

        Returns:
            The port.

        Raises:
            AddressInUseError: Somebody else has it, or it isn't ours.
        """
        gates = [gate] if gate else []
        way = grpc.server(self._threads, options=_OPTIONS, interceptors=gates)
        way.add_generic_rpc_handlers(self._handlers)
        try:
            if credentials is None:
                port = way.add_insecure_port(address)
            else:
                port = way.add_secure_port(address, credentials)
        except RuntimeError:
            raise AddressInUseError(address) from None
        self._ways.append(way)
        return port

    def start(self) -> None:
        """Answer calls from now on."""
        with gathered():  # gRPC's threads in Python; those of calls are gathered there
            for way in self._ways:
                way.start()
        self._is_started = True

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones end for some seconds, then end them.

        gRPC itself may hang in this, once in hundreds of times. That does no harm: when this
        returns no call is being answered.
        """

        def stop() -> None:
            ways = [way.stop(grace_s) for way in self._ways]
            self._capacity.waiting.stop()
            for stopped in ways:
                stopped.wait()

        run_bounded("the gRPC server", stop, _STOP_LIMIT_S)
        self._threads.shutdown()
        self._capacity.streams.shutdown()

    def give_up(self) -> None:
        """Let go of all addresses if `start` has not been reached; gRPC only does it by a stop."""
        if not self._is_started:
            self.start()
            self.stop(0)


def _about(
    offered: Sequence[tuple[ServiceDescriptor, object]],
) -> list[tuple[ServiceDescriptor, object]]:
    """Return the services by which a client asks what is offered."""
    health_service = health.HealthServicer()
    for which, _ in offered:
        health_service.set(which.full_name, health_pb2.HealthCheckResponse.SERVING)
    checking = health_pb2.DESCRIPTOR.services_by_name["Health"]
    reflecting = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
    names = [which.full_name for which, _ in offered] + [checking.full_name, reflecting.full_name]
    return [
        (checking, health_service),  # type: ignore[list-item]  # stubs name upb's own class
        (reflecting, reflection.ReflectionServicer(names)),  # type: ignore[list-item]
    ]


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
        (local_pb2.DESCRIPTOR.services_by_name["Local"], LocalApi(pfs, pps)),
        (license_pb2.DESCRIPTOR.services_by_name["API"], cluster.LicenseApi()),
    ]
