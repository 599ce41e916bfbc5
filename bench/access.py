"""What it costs that the daemon looks who calls, seen in the smallest call there is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import grpc

from bench.harness import Daemon, Measurement, daemon, note, seconds
from pachlocal.contexts import context_in
from pachlocal.proto import enterprise_pb2, enterprise_pb2_grpc

_CALLS = 2000
_ROUNDS = 5
_CONNECTIONS = 100


def measure() -> Iterator[Measurement]:
    """Compare the ways in with that of a daemon that lets in everybody.

    It is the daemon's processor time that counts: how long a call takes depends more on what else
    the machine does.
    """
    with daemon("--insecure") as bare, daemon() as guarded, ExitStack() as stack:
        note("access: GetState by each way in")
        token = context_in(guarded.root / "pachctl.json")["session_token"]
        own = json.loads((guarded.root / "daemon.json").read_text())["socket"]
        ways = {
            "nobody looks": (bare, _caller(stack, _target(bare))),
            "the user is known": (guarded, _caller(stack, _target(guarded))),
            "with the token": (guarded, _caller(stack, _target(guarded), token)),
            "by the Unix socket": (guarded, _caller(stack, f"unix:{own}")),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_ROUNDS):
            for name, (of, call) in ways.items():
                times[name].append(_processor_us(of, call))
        peer = median(times.pop("nobody looks"))
        for name, found in times.items():
            yield Measurement(f"a call, {name}", median(found), peer, "nobody looks", "us", 1.1)
        note("access: the first call of a connection")
        first, other = ([_first_ms(of) for _ in range(_CONNECTIONS)] for of in (guarded, bare))
        yield Measurement(
            "a connection's first call, the user is looked up",
            median(first) - median(other),
            20,
            "goal",
            "ms more",
            1,
        )


def _target(of: Daemon) -> str:
    return of.address.removeprefix("grpc://")


def _caller(stack: ExitStack, target: str, token: str = "") -> Callable[[], object]:
    api = enterprise_pb2_grpc.APIStub(stack.enter_context(grpc.insecure_channel(target)))
    metadata = [("authn-token", token)] if token else None
    return lambda: api.GetState(enterprise_pb2.GetStateRequest(), metadata=metadata)


def _processor_us(of: Daemon, call: Callable[[], object]) -> float:
    """Return the processor time that a call takes a daemon."""
    before = _ticks(of.pid)
    for _ in range(_CALLS):
        call()
    return (_ticks(of.pid) - before) / os.sysconf("SC_CLK_TCK") / _CALLS * 1e6


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # in user and system mode, see proc(5)


def _first_ms(of: Daemon) -> float:
    options = [("grpc.use_local_subchannel_pool", 1)]  # else it is no new connection
    with grpc.insecure_channel(_target(of), options) as channel:
        grpc.channel_ready_future(channel).result()
        api = enterprise_pb2_grpc.APIStub(channel)
        return seconds(lambda: api.GetState(enterprise_pb2.GetStateRequest())) * 1e3
