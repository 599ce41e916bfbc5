"""The states of pipelines, jobs and datums, numbered as in pps_v2."""

from __future__ import annotations

from enum import IntEnum


class PipelineState(IntEnum):
    """What a pipeline does."""

    STARTING = 1
    RUNNING = 2
    RESTARTING = 3
    FAILURE = 4
    PAUSED = 5
    STANDBY = 6
    CRASHING = 7


class JobState(IntEnum):
    """Where a job is: CREATED → STARTING → RUNNING → FINISHING → one of the last four."""

    CREATED = 1
    STARTING = 2  # waits for its input commits
    RUNNING = 3
    FAILURE = 4
    SUCCESS = 5
    KILLED = 6
    EGRESSING = 7
    FINISHING = 8
    UNRUNNABLE = 9

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({JobState.FAILURE, JobState.SUCCESS, JobState.KILLED, JobState.UNRUNNABLE})


class DatumState(IntEnum):
    """What became of a datum; UNKNOWN waits for a worker."""

    UNKNOWN = 0
    FAILED = 1
    SUCCESS = 2
    SKIPPED = 3
    STARTING = 4
    RECOVERED = 5
