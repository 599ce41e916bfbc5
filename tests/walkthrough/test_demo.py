import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .leftovers import processes_of
from .machine import ROOT, environment
from .steps import STEPS

TIMEOUT_S = 120
SPOILT = """
import sys
from tests.walkthrough import __main__, steps, walk

def spoilt(walker):
    walk.expect("the answer", 41, 42)

steps.STEPS[2:] = [steps.Step(3, "Spoil it", spoilt)]
sys.exit(__main__.main())
"""


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the demo with `tmp_path` for its temporary files."""
    demos = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        demo = subprocess.Popen(
            [sys.executable, *(arguments or ("-m", "tests.walkthrough"))],
            cwd=ROOT,
            env={**environment(tmp_path), "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        demos.append(demo)
        return demo

    yield start
    for demo in demos:
        demo.kill()  # no harm when it has ended
        demo.communicate()


@pytest.mark.slow
@pytest.mark.skipif(bool(os.environ.get("CI")), reason="CI runs it in the offline bundle")
def test_the_demo_shows_every_step_and_leaves_nothing(
    start_demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    demo = start_demo()
    out, err = demo.communicate(timeout=TIMEOUT_S)
    assert (demo.returncode, err) == (0, ""), out
    titles = [line for line in out.splitlines() if line.startswith("===")]
    assert titles == [f"=== Step {n} of {len(STEPS)}: {title}" for n, title, _ in STEPS]
    assert "\n$ pachctl create pipeline -f python_train.json\n" in out
    assert not list(tmp_path.iterdir())
    assert not processes_of(tmp_path)


def test_the_demo_says_in_one_line_what_differs(
    start_demo: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    demo = start_demo("-c", SPOILT)
    _, err = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 1
    line = "demo: step 3, 'Spoil it': the answer should be 42, but is 41"
    assert err.splitlines()[-1] == line
    assert not list(tmp_path.iterdir())
    assert not processes_of(tmp_path)


@pytest.mark.parametrize("until", ["$ pachlocal up", "$ pachctl wait"])
def test_an_interrupted_demo_leaves_nothing(
    start_demo: Callable[..., subprocess.Popen[str]], tmp_path: Path, until: str
) -> None:
    demo = start_demo()
    assert demo.stdout
    assert any(line.startswith(until) for line in demo.stdout)
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 130
    assert err == "demo: interrupted; nothing is left behind\n"
    assert not list(tmp_path.iterdir())
    assert not processes_of(tmp_path)
