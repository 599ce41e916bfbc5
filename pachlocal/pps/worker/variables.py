"""The variables that a user's program finds in its environment.

See https://docs.pachyderm.com/latest/deploy/env-vars/#pipeline-worker-environment-variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pachlocal import contexts
from pachlocal.pps.spec.datums import Datum
from pachlocal.pps.tables.jobs import JobInfo
from pachlocal.pps.tables.pipelines import PipelineInfo
from pachlocal.runtime.contract import LOOPBACK

OF_THE_JOB = frozenset(("PACH_JOB_ID", "PACH_OUTPUT_COMMIT_ID"))
"""The names of those that another job of the pipeline has otherwise."""


def client_config(peer: Mapping[str, str]) -> bytes:
    """Return a configuration of pachctl that leads to the server; empty if it is nowhere.

    On a cluster, too, the program of a spout has one; see `WorkerSpec.client_config`.

    Args:
        peer: What tells where the server and the worker are.
    """
    if "PACHD_PEER_SERVICE_HOST" not in peer:
        return b""
    address = f"grpc://{peer['PACHD_PEER_SERVICE_HOST']}:{peer['PACHD_PEER_SERVICE_PORT']}"
    token = peer.get("PACH_PYTHON_AUTH_TOKEN", "")
    return contexts.content(contexts.context(address, token))


def passed(pipeline: PipelineInfo) -> dict[str, str]:
    """Return what a pipeline's annotation lets through of the daemon's own variables."""
    return {name: os.environ[name] for name in pipeline.spec.env if name in os.environ}


def of_pipeline(pipeline: PipelineInfo, peer: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of all that runs for a pipeline.

    Args:
        pipeline: The pipeline, in its version.
        peer: What tells where the server and the worker are.
    """
    return {**passed(pipeline), **_of_spec(pipeline, peer)}


def _of_spec(pipeline: PipelineInfo, peer: Mapping[str, str]) -> dict[str, str]:
    spec = pipeline.spec
    return {
        **spec.transform.env,
        **peer,
        "PACH_IN_WORKER": "true",
        "PACH_NAMESPACE": "default",
        "PPS_WORKER_IP": LOOPBACK,
        "PPS_PROJECT_NAME": spec.project,
        "PPS_PIPELINE_NAME": spec.name,
        "PPS_SPEC_COMMIT": pipeline.spec_commit,
    }


def of_job(pipeline: PipelineInfo, peer: Mapping[str, str], job: JobInfo) -> dict[str, str]:
    """Return the variables of all datums of a job; see `of_pipeline`."""
    return {**of_pipeline(pipeline, peer), **dict.fromkeys(OF_THE_JOB, job.id)}


def recorded(pipeline: PipelineInfo, job: JobInfo, datum: Datum, id_: bytes) -> dict[str, str]:
    """Return those of a datum's variables that its record keeps.

    Left out are the daemon's own, which may be secret, and where the server and the worker were.
    """
    common = {**_of_spec(pipeline, {}), **dict.fromkeys(OF_THE_JOB, job.id)}
    return {**common, **of_datum(datum, id_)}


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
