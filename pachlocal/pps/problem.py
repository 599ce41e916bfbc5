"""What keeps a pipeline from running, as its state says it."""

from __future__ import annotations

import threading

from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pps import pipelines
from pachlocal.pps.pipelines import PipelineInfo


class Problem:
    """Has a pipeline's state follow what its runner meets. Any thread may use it."""

    def __init__(self, files: FileSystem, pipeline: PipelineInfo) -> None:
        """Begin with what the state says."""
        self._files = files
        self._pipeline = pipeline
        self._told = pipeline.reason
        self._telling = threading.Lock()

    def report(self, problem: str) -> None:
        """Say what the problem is; empty when there is none."""
        with self._telling:
            if problem != self._told:
                with self._files.transaction() as tx:
                    pipelines.report_problem(tx, self._pipeline, problem)
                self._told = problem
