import subprocess
import sys
from pathlib import Path

from pachlocal.api import compatibility, service
from pachlocal.proto import pfs_pb2, pps_pb2

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def test_the_page_is_what_the_code_says():
    printed = subprocess.run(
        [sys.executable, "-m", "pachlocal.api.compatibility"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert PAGE.read_text() == printed, "run: make docs/compatibility.md"


def test_every_reason_is_about_a_call_that_exists():
    known = {
        method.full_name
        for module in (pfs_pb2, pps_pb2)
        for method in module.DESCRIPTOR.services_by_name["API"].methods
    }
    named = {*compatibility.PARTLY, *service._UNSERVED}
    assert {name for name in named if name.startswith(("pfs_v2", "pps_v2"))} <= known
