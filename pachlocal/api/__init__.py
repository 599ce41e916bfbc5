"""The gRPC services, one per module: they translate messages to calls and errors to statuses."""

import os
from typing import Final

# Without its event engine the thread of gRPC that waits for calls reads from the sockets itself,
# and nothing goes through a pool of threads. A small message of a stream costs 36 us of CPU then,
# and 64 us with it (gRPC 1.85, a server that only counts them: bench/echo.py).
GRPC_EXPERIMENTS: Final = {"GRPC_EXPERIMENTS": "-event_engine_listener"}

# It is read when gRPC is loaded, which therefore happens here. Programs of pipelines are not to
# inherit it.
if not os.environ.keys() & GRPC_EXPERIMENTS:
    os.environ.update(GRPC_EXPERIMENTS)
    try:
        import grpc  # noqa: F401
    finally:
        for name in GRPC_EXPERIMENTS:
            del os.environ[name]
