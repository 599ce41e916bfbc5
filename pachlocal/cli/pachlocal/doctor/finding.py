"""What a check has found."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """FAIL keeps the Python workshop from running; NOTE is worth knowing."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    NOTE = "note"


class Finding(NamedTuple):
    """The answer of one check.

    Attributes:
        verdict: How it is.
        subject: What was looked at, in a word.
        text: What is there.
        cure: What to do, if something is to be done.
    """

    verdict: Verdict
    subject: str
    text: str
    cure: str = ""
