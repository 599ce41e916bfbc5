"""An image is built from its stage's folder alone: what stages share, each has a copy of."""

import pytest

from .workshop import ROOT

COPIES = [
    "python/*/iris.py",
    "python/iris-train-*/training.py",
    "rstats/*/iris.R",
    "rstats/iris-train-*/training.R",
    "julia/*/iris.jl",
    "julia/iris-train-*/training.jl",
    "julia/*/Project.toml",
    "python/*/requirements.txt",
]


@pytest.mark.parametrize("pattern", COPIES)
def test_copies_are_equal(pattern):
    first, *others = sorted(ROOT.glob(pattern))
    assert others
    differing = [
        str(path.relative_to(ROOT)) for path in others if path.read_bytes() != first.read_bytes()
    ]
    assert not differing, f"copy {first.relative_to(ROOT)} over {' '.join(differing)}"
