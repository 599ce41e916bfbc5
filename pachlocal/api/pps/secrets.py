"""Calls about secrets."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from pachlocal.api import wire
from pachlocal.api.room import makes_room
from pachlocal.api.service import Context
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps.tables import secrets
from pachlocal.pps.tables.secrets import SecretInfo
from pachlocal.proto import pps_pb2


class SecretCalls:
    """pps_v2.API: secrets."""

    files: FileSystem

    def create_secret(self, request: pps_pb2.CreateSecretRequest, context: Context) -> Empty:
        """Store a secret."""
        with self.files.transaction() as tx:
            secrets.create(tx, request.file)
        return Empty()

    def inspect_secret(
        self, request: pps_pb2.InspectSecretRequest, context: Context
    ) -> pps_pb2.SecretInfo:
        """Return what may be told of a secret."""
        with self.files.snapshot() as connection:
            return _message(secrets.inspect(connection, request.secret.name))

    def list_secret(self, request: Empty, context: Context) -> pps_pb2.SecretInfos:
        """Return what may be told of all secrets."""
        with self.files.snapshot() as connection:
            found = secrets.list_secrets(connection)
        return pps_pb2.SecretInfos(secret_info=map(_message, found))

    @makes_room
    def delete_secret(self, request: pps_pb2.DeleteSecretRequest, context: Context) -> Empty:
        """Delete a secret."""
        with self.files.transaction() as tx:
            secrets.delete(tx, request.secret.name)
        return Empty()


def _message(info: SecretInfo) -> pps_pb2.SecretInfo:
    return pps_pb2.SecretInfo(
        secret=pps_pb2.Secret(name=info.name),
        type=info.type,
        creation_timestamp=wire.timestamp(info.created),
    )
