"""Where the time of a job went that belongs to no single datum."""

from __future__ import annotations

from typing import NamedTuple

from pachlocal.storage.database import Connection


class JobTimes(NamedTuple):
    """What parts of a job took, in nanoseconds.

    What is broken off, by a stop or a failing machine, isn't counted.

    Attributes:
        preparing: From the job's turn until it runs: its image and its code are made ready.
        planning: Its datums are found, and which of them are skipped.
        opening: Its workers are made, summed over them.
        starting: The user's program is started, summed over the datums; part of their `process_ns`.
        merging: The outputs of its datums become one commit.
    """

    preparing: int = 0
    planning: int = 0
    opening: int = 0
    starting: int = 0
    merging: int = 0


def add(connection: Connection, job: int, times: JobTimes) -> None:
    """Add to what is known of a job, by its row; nothing happens if it was deleted."""
    connection.execute(
        "INSERT INTO job_times SELECT id, ?2, ?3, ?4, ?5, ?6 FROM jobs WHERE id = ?1"
        " ON CONFLICT (job_id) DO UPDATE SET preparing = preparing + ?2, planning = planning + ?3,"
        " opening = opening + ?4, starting = starting + ?5, merging = merging + ?6",
        (job, *times),
    )


def of(connection: Connection, job: int) -> JobTimes:
    """Return what is known of a job, by its row."""
    row = connection.execute(
        "SELECT preparing, planning, opening, starting, merging FROM job_times WHERE job_id = ?",
        (job,),
    ).fetchone()
    return JobTimes(*row) if row else JobTimes()
