"""The server behind the front."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import grpc

from pachlocal.cli.pachctl.client.address import Address
from pachlocal.cli.pachctl.client.config import Settings
from pachlocal.cli.pachctl.client.dialing import Dialing, dialing
from pachlocal.web.metadata import Pairs


@dataclass
class Upstream:
    """A server, dialled when it is first needed.

    Attributes:
        address: Where it is.
        settings: What it takes to be let in there.
    """

    address: Address
    settings: Settings
    _channel: grpc.aio.Channel | None = field(default=None, init=False)

    @property
    def channel(self) -> grpc.aio.Channel:
        """The connection; it belongs to the loop that is running."""
        if self._channel is None:
            how = self.dialing
            if how.credentials is None:
                self._channel = grpc.aio.insecure_channel(how.target, how.options)
            else:
                self._channel = grpc.aio.secure_channel(how.target, how.credentials, how.options)
        return self._channel

    @property
    def dialing(self) -> Dialing:
        """How it is reached."""
        return dialing(self.address, self.settings)

    async def has_local(self, metadata: Pairs) -> bool:
        """Whether it is pachlocal, which offers more than Pachyderm's API."""
        from grpc_health.v1 import health_pb2

        check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        request = health_pb2.HealthCheckRequest(service="pachlocal.v1.Local")
        try:
            answer = await check(request, timeout=5.0, metadata=metadata)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """Hang up."""
        if self._channel is not None:
            await asyncio.shield(self._channel.close())
