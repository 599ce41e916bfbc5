"""A daemon whose store is empty, and a channel to it."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import empty_pb2
from walkthrough.machine import Daemon, environment

from pachlocal.proto import (
    metadata_pb2,
    metadata_pb2_grpc,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    transaction_pb2,
    transaction_pb2_grpc,
)


@pytest.fixture(scope="module")
def lasting_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests of a file: to start one takes longer than most tests."""
    daemon = Daemon(tmp_path_factory.mktemp("lasting") / "store")
    yield daemon
    daemon.end()


@pytest.fixture
def daemon(lasting_daemon: Daemon) -> Iterator[Daemon]:
    """A daemon that runs and has nothing, whatever the tests before did to it."""
    daemon = lasting_daemon
    daemon.env = environment(daemon.root)
    if daemon.runs():
        daemon.started()
        _empty(daemon.address)
    else:
        daemon.start()
    written = len(daemon.log)
    yield daemon
    print(f"The log of {daemon.root}:\n{daemon.log[written:]}")


def _empty(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        transaction_pb2_grpc.APIStub(channel).DeleteAll(transaction_pb2.DeleteAllRequest())
        pps = pps_pb2_grpc.APIStub(channel)
        pps.DeleteAll(empty_pb2.Empty())
        pfs_pb2_grpc.APIStub(channel).DeleteAll(empty_pb2.Empty())
        for secret in pps.ListSecret(empty_pb2.Empty()).secret_info:
            pps.DeleteSecret(pps_pb2.DeleteSecretRequest(secret=secret.secret))
        pps.SetClusterDefaults(pps_pb2.SetClusterDefaultsRequest(cluster_defaults_json="{}"))
        nothing = metadata_pb2.Edit.Replace()
        edit = metadata_pb2.Edit(cluster=metadata_pb2.ClusterPicker(), replace=nothing)
        metadata_pb2_grpc.APIStub(channel).EditMetadata(
            metadata_pb2.EditMetadataRequest(edits=[edit])
        )


@pytest.fixture
def channel(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.address) as channel:
        yield channel
