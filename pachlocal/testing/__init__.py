"""Tests for pipelines: a server that is thrown away, and what came of a change.

pytest finds the fixture `pachlocal` by itself (`plugin`); `Server` works without pytest, too.
"""

from pachlocal.testing.runs import Datum, Job, PipelineError, Run
from pachlocal.testing.server import Server

__all__ = ["Datum", "Job", "PipelineError", "Run", "Server"]
