"""The variables that a user's program finds in its environment.

See https://docs.pachyderm.com/latest/deploy/env-vars/#pipeline-worker-environment-variables.
"""

from __future__ import annotations

from collections.abc import Mapping

from pachlocal.pps.datums import Datum
from pachlocal.pps.jobs import JobInfo
from pachlocal.pps.pipelines import PipelineInfo

OF_THE_JOB = frozenset(("PACH_JOB_ID", "PACH_OUTPUT_COMMIT_ID"))
"""The names of those that another job of the pipeline has otherwise."""


def of_pipeline(pipeline: PipelineInfo, peer: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of all that runs for a pipeline.

    Args:
        pipeline: The pipeline, in its version.
        peer: What tells where the server and the worker are.
    """
    spec = pipeline.spec
    return {
        **spec.transform.env,
        **peer,
        "PACH_IN_WORKER": "true",
        "PPS_PROJECT_NAME": spec.project,
        "PPS_PIPELINE_NAME": spec.name,
        "PPS_SPEC_COMMIT": pipeline.spec_commit,
    }


def of_job(pipeline: PipelineInfo, peer: Mapping[str, str], job: JobInfo) -> dict[str, str]:
    """Return the variables of all datums of a job; see `of_pipeline`."""
    return {**of_pipeline(pipeline, peer), **dict.fromkeys(OF_THE_JOB, job.id)}


def of_datum(datum: Datum, id_: bytes) -> dict[str, str]:
    """Return the variables of one datum, of that ID, which win against the others."""
    env = {"PACH_DATUM_ID": id_.hex()}
    for file in datum:
        name = file.input.name
        env[name] = f"/pfs/{name}{file.path.rstrip('/')}"
        env[f"{name}_COMMIT"] = file.commit.name.id
        if file.join_key:
            env[f"PACH_DATUM_{name}_JOIN_ON"] = file.join_key
        if file.group_key:
            env[f"PACH_DATUM_{name}_GROUP_BY"] = file.group_key
    return env
