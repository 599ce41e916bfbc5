"""Defaults of specs: Pachyderm's own, the cluster's and a project's, each over the ones before.

All are `{"create_pipeline_request": …}`, and a spec is laid over them as a JSON merge patch: see
https://www.rfc-editor.org/rfc/rfc7396 and
https://docs.pachyderm.com/latest/set-up/global-config/.
"""

from __future__ import annotations

from typing import Any

from pachlocal.pps.spec.inputs import Json

DEFAULT_IMAGE = "ubuntu:20.04"
DEFAULT_DATUM_TRIES = 3
EVERY_JOB, UNTIL_SUCCESS = "every_job", "until_success"

REQUEST = "create_pipeline_request"
"""The one field of defaults."""

BUILT_IN: Json = {
    REQUEST: {
        "transform": {"image": DEFAULT_IMAGE},
        "output_branch": "master",
        "datum_tries": str(DEFAULT_DATUM_TRIES),
        "reprocess_spec": UNTIL_SUCCESS,
    }
}

INITIAL_OF_CLUSTER = (
    '{"createPipelineRequest":{"resourceRequests":{"cpu":1,"memory":"256Mi","disk":"1Gi"},'
    '"sidecarResourceRequests":{"cpu":1,"memory":"256Mi","disk":"1Gi"}}}'
)
"""What a cluster has until somebody sets others."""


def merge(target: Any, patch: Any) -> Any:
    """Return a value with a merge patch applied: nulls take away, objects go into each other."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def with_defaults(spec: Json, *layers: Json) -> Json:
    """Return a spec over Pachyderm's own defaults and others, of which the last go first."""
    merged: Any = BUILT_IN
    for layer in (*layers, {REQUEST: spec}):
        merged = merge(merged, layer)
    found: Json = merged.get(REQUEST, {})
    return found
