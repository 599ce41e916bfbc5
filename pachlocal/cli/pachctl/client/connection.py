"""The connection to the server."""

from __future__ import annotations

import sys
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pachlocal import local_socket
from pachlocal.cli.pachctl.client.address import Address, parse_address
from pachlocal.cli.pachctl.client.config import Settings

if TYPE_CHECKING:
    import grpc

    from pachlocal.cli.pachctl.client.plain.stubs import PlainCalls
    from pachlocal.proto import (
        admin_pb2_grpc,
        debug_pb2_grpc,
        local_pb2_grpc,
        metadata_pb2_grpc,
        pfs_pb2_grpc,
        pps_pb2_grpc,
        transaction_pb2_grpc,
        version_pb2_grpc,
    )

_LOCAL_SERVICE = "pachlocal.v1.Local"
_HEALTH_TIMEOUT_S = 5.0


class APIClient:
    """The services of one server, each imported when first used.

    This user's daemon is called without gRPC, unless the command has loaded that for other reasons:
    importing it takes longer than everything else.
    """

    def __init__(self, settings: Settings, transaction: str = "") -> None:
        """Dial.

        Args:
            settings: Where to, and as whom.
            transaction: The id of one that writes are added to, if there is one.
        """
        self.address = parse_address(settings.address, settings.origin)
        self._settings = settings
        metadata = [("authn-token", settings.token), ("pach-transaction", transaction)]
        self._metadata = [(key, value) for key, value in metadata if value]
        self._plain = _plain_calls(self.address, self._metadata)
        if self._plain is None:
            _ = self.channel  # wrong certificates are told now

    @cached_property
    def channel(self) -> grpc.Channel:
        """What gRPC calls the server by."""
        from pachlocal.cli.pachctl.client.dialing import open_channel

        return open_channel(self.address, self._settings, self._metadata)

    @cached_property
    def pfs(self) -> pfs_pb2_grpc.APIStub:
        """Repos, branches, commits and files."""
        stub: pfs_pb2_grpc.APIStub = self._stub("pachlocal.proto.pfs")
        return stub

    @cached_property
    def pps(self) -> pps_pb2_grpc.APIStub:
        """Pipelines, jobs, datums and logs."""
        stub: pps_pb2_grpc.APIStub = self._stub("pachlocal.proto.pps")
        return stub

    @cached_property
    def admin(self) -> admin_pb2_grpc.APIStub:
        """The server as a whole."""
        stub: admin_pb2_grpc.APIStub = self._stub("pachlocal.proto.admin")
        return stub

    @cached_property
    def debug(self) -> debug_pb2_grpc.DebugStub:
        """What a maintainer asks for."""
        stub: debug_pb2_grpc.DebugStub = self._stub("pachlocal.proto.debug", "Debug")
        return stub

    @cached_property
    def metadata(self) -> metadata_pb2_grpc.APIStub:
        """What users note about things."""
        stub: metadata_pb2_grpc.APIStub = self._stub("pachlocal.proto.metadata")
        return stub

    @cached_property
    def transactions(self) -> transaction_pb2_grpc.APIStub:
        """Several writes in one."""
        stub: transaction_pb2_grpc.APIStub = self._stub("pachlocal.proto.transaction")
        return stub

    @cached_property
    def version(self) -> version_pb2_grpc.APIStub:
        """Which release the server is."""
        stub: version_pb2_grpc.APIStub = self._stub("pachlocal.proto.version")
        return stub

    @cached_property
    def local(self) -> local_pb2_grpc.LocalStub | None:
        """What pachlocal offers beyond Pachyderm's API; None if the server is another one."""
        from grpc_health.v1 import health_pb2

        from pachlocal.cli.pachctl.client.failures import call_error

        request = health_pb2.HealthCheckRequest(service=_LOCAL_SERVICE)
        health = self._stub("grpc_health.v1.health", "Health")
        try:
            answer = health.Check(request, timeout=_HEALTH_TIMEOUT_S)
        except call_error():
            return None  # whatever it is, the call that is meant will say it
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            return None
        stub: local_pb2_grpc.LocalStub = self._stub("pachlocal.proto.local", "Local")
        return stub

    def _stub(self, module: str, service: str = "API") -> Any:
        """Return the stub of a service.

        Args:
            module: Where it is declared, without `_pb2`.
            service: Its name.
        """

        @cache
        def by_grpc() -> Any:
            return getattr(import_module(f"{module}_pb2_grpc"), f"{service}Stub")(self.channel)

        if self._plain is None:
            return by_grpc()
        descriptor = import_module(f"{module}_pb2").DESCRIPTOR.services_by_name[service]
        return self._plain.stub(descriptor, by_grpc)

    def close(self) -> None:
        """Hang up; calls that are under way are cancelled."""
        if self._plain is not None:
            self._plain.close()
        if "channel" in self.__dict__:
            self.channel.close()


def _plain_calls(address: Address, metadata: list[tuple[str, str]]) -> PlainCalls | None:
    """Return what calls a server without gRPC; None where nothing is gained, or it can't be."""
    if "grpc" in sys.modules:
        return None
    if not all(value.isascii() and value.isprintable() for _, value in metadata):
        return None  # gRPC says what is wrong with it
    path = local_socket.find(address.host, address.port)
    if path is None:
        return None
    from pachlocal.cli.pachctl.client.plain.stubs import PlainCalls

    return PlainCalls(path, metadata)
