"""A channel to a daemon of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from walkthrough.machine import Daemon


@pytest.fixture
def channel(daemon: Daemon) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(daemon.address) as channel:
        yield channel
