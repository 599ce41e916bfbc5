"""How gRPC polls is said before it is loaded, and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys

_WATCH = """
import os, sys

class Watch:
    def find_spec(name, path=None, target=None):
        if name == "grpc":
            print("loaded with", os.environ.get("GRPC_EXPERIMENTS"))

sys.meta_path.insert(0, Watch)
import pachlocal.daemon
print("afterwards", os.environ.get("GRPC_EXPERIMENTS"))
"""


def _watched(**variables: str) -> list[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", _WATCH],
        env={**env, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_the_daemon_says_it_and_programs_do_not_inherit_it() -> None:
    assert _watched() == ["loaded with -event_engine_listener", "afterwards None"]


def test_what_the_user_says_stays() -> None:
    assert _watched(GRPC_EXPERIMENTS="tcp_frame_size_tuning") == [
        "loaded with tcp_frame_size_tuning",
        "afterwards tcp_frame_size_tuning",
    ]
