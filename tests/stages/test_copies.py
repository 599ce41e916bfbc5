"""An image is built from its stage's folder alone: what stages share, each has a copy of."""

import re

import pytest

from .workshop import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
COPIES = re.findall(r"'(\S+)'", re.search(r"^COPIES :=((?:.*\\\n)*.*)", MAKEFILE, re.M)[1])
"""What `make copies` writes."""


@pytest.mark.parametrize("pattern", COPIES)
def test_copies_are_equal(pattern):
    first, *others = sorted(ROOT.glob(pattern))
    assert others
    differing = [
        str(path.relative_to(ROOT)) for path in others if path.read_bytes() != first.read_bytes()
    ]
    assert not differing, f"make copies writes {' '.join(differing)}"
