"""The lines that a pipeline logs, as events to wait for."""

from __future__ import annotations

import grpc

from pachlocal.proto import pps_pb2, pps_pb2_grpc
from walkthrough.machine import Daemon

_TIMEOUT_S = 20.0


def wait_for_line(daemon: Daemon, pipeline: str, text: str, count: int = 1) -> str:
    """Waits until lines with a text have been logged so many times; returns the last."""
    with grpc.insecure_channel(daemon.address) as channel:
        request = pps_pb2.GetLogsRequest(pipeline=pps_pb2.Pipeline(name=pipeline), follow=True)
        lines = pps_pb2_grpc.APIStub(channel).GetLogs(request, timeout=_TIMEOUT_S)
        found = (line.message for line in lines if text in line.message)
        return [next(found) for _ in range(count)][-1]
