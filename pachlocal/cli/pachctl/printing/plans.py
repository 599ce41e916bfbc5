"""How a plan is shown."""

from __future__ import annotations

from pachlocal.proto import local_pb2, pps_pb2

_MAX_REASONS = 10  # of one pipeline
_FATES = {
    local_pb2.PlannedReason.RUN: ("runs", "run"),
    local_pb2.PlannedReason.SKIP: ("is skipped", "are skipped"),
    local_pb2.PlannedReason.DEPEND: ("may run", "may run"),
    local_pb2.PlannedReason.VANISH: ("vanishes", "vanish"),
}


def print_plan(response: local_pb2.PlanResponse, project: str) -> None:
    """Print what would be done, a paragraph for each pipeline.

    Args:
        response: The plan.
        project: The project whose name is left out.
    """
    for job in response.jobs:
        print(f"{_name(job.pipeline, project)} (version {job.version}): {_sentence(job, project)}")
        for reason in job.reasons[:_MAX_REASONS]:
            one, many = _FATES[reason.fate]
            verb = one if reason.datums == 1 else many
            print(f"  {reason.datums} {verb}: {reason.reason}")
        if len(job.reasons) > _MAX_REASONS:
            rest = sum(reason.datums for reason in job.reasons[_MAX_REASONS:])
            print(f"  {rest} more, for {len(job.reasons) - _MAX_REASONS} other reasons")
        for note in job.notes:
            print(f"  note: {note}")
    if not response.jobs:
        print("no pipeline would run")
    print("(a plan: nothing has been changed)")


def _sentence(job: local_pb2.PlannedJob, project: str) -> str:
    if not (job.run or job.skip or job.depend or job.vanish or job.depends_on):
        return "no datums" if not job.notes else "no job"
    outputs = ", ".join(_name(pipeline, project) for pipeline in job.depends_on)
    if outputs and not (job.run or job.depend or job.skip):
        return f"unknown number of datums, it depends on the output of {outputs}"
    parts = [_datums(job.run, "runs", "run")]
    if outputs:
        more = f"{job.depend} more" if job.depend else "others perhaps"
        parts = [f"at least {parts[0]}", f"{more} if the output of {outputs} changes"]
    if job.skip:
        parts.append(_datums(job.skip, "is skipped", "are skipped", short=True))
    if job.vanish:
        parts.append(_datums(job.vanish, "vanishes", "vanish", short=True))
    return ", ".join(parts)


def _datums(count: int, one: str, many: str, *, short: bool = False) -> str:
    noun = "" if short else " datum" if count == 1 else " datums"
    return f"{count}{noun} {one if count == 1 else many}"


def _name(pipeline: pps_pb2.Pipeline, project: str) -> str:
    other = pipeline.project.name
    return pipeline.name if other == project else f"{other}/{pipeline.name}"
