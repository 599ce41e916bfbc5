"""The small services: versions, the cluster's identity, licences."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from pachlocal.api.service import Context
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import metadata
from pachlocal.proto import admin_pb2, enterprise_pb2, license_pb2, version_pb2

# Clients compare it with their own: the newest Pachyderm whose API we serve.
PACHYDERM_VERSION = version_pb2.Version(major=2, minor=12, micro=2)

INACTIVE_SERVICES = ("auth_v2.API", "identity_v2.API")
INACTIVE = "the auth service is not activated"  # clients look for these words


class VersionApi:
    """versionpb_v2.API."""

    def get_version(self, request: Empty, context: Context) -> version_pb2.Version:
        """Return the version of the API."""
        return PACHYDERM_VERSION


class AdminApi:
    """admin_v2.API."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._id = files.database.store_id

    def inspect_cluster(
        self, request: admin_pb2.InspectClusterRequest, context: Context
    ) -> admin_pb2.ClusterInfo:
        """Return who we are; the ID stays the same for as long as the store exists."""
        with self._files.snapshot() as connection:
            noted = metadata.of_cluster(connection)
        return admin_pb2.ClusterInfo(
            id=self._id, deployment_id=self._id, warnings_ok=True, metadata=noted
        )


class EnterpriseApi:
    """enterprise_v2.API: without a licence."""

    def get_state(
        self, request: enterprise_pb2.GetStateRequest, context: Context
    ) -> enterprise_pb2.GetStateResponse:
        """Return that there is none."""
        return enterprise_pb2.GetStateResponse()


class LicenseApi:
    """license_v2.API."""

    def delete_all(
        self, request: license_pb2.DeleteAllRequest, context: Context
    ) -> license_pb2.DeleteAllResponse:
        """Delete nothing: there is no licence."""
        return license_pb2.DeleteAllResponse()
