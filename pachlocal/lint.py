"""Checks pipeline specifications for a cluster and for one machine. Run by `pachlocal lint`."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pachlocal.api import wire
from pachlocal.api.pps import specs
from pachlocal.cli import program
from pachlocal.cli.pachctl.pps.specs import Document, read_specs
from pachlocal.errors import CliError, InvalidArgumentError, StricterError, UnsupportedError
from pachlocal.pfs.history.names import USER, RepoName
from pachlocal.pps.spec.defaults import DEFAULT_IMAGE
from pachlocal.pps.spec.inputs import COMBINATIONS
from pachlocal.pps.spec.resources import LOG_LIMIT, resources
from pachlocal.pps.spec.spec import CODE, ENV, WARM, effective, passed_env
from pachlocal.proto import pps_pb2
from pachlocal.proto.inputs import leaves
from pachlocal.runtime.remarks import environment_notes, image_remark
from pachlocal.runtime.stages import Stages, dockerfile_of, folder_of
from pachlocal.untrusted import printable

# What a spec may say that makes no difference on one machine: field, and why.
_IDLE = {
    "autoscaling": "an idle pipeline is only shown as standing by",
    "datum_set_spec": "workers take one datum after the other",
    "metadata": "there are no pods to put it on (annotations of pachlocal.io count)",
    "pod_patch": "there are no pods",
    "pod_spec": "there are no pods",
    "scheduling_spec": "there is one machine",
    "service.type": "the port is on 127.0.0.1",
    "sidecar_resource_limits": "there is no sidecar",
    "sidecar_resource_requests": "there is no sidecar",
    "spout.service.type": "the port is on 127.0.0.1",
    "tolerations": "there is one machine",
    "transform.debug": "logs are the same with it",
    "transform.dockerfile": "images are built by compose.yaml",
    "transform.image_pull_secrets": "Docker's own login is used",
    "transform.memory_volume": "scratch folders are where the store is",
    "resource_limits": "they hold with --runtime docker only",
    "resource_requests": "they count with --runtime docker only",
    "transform.user": "it counts with --runtime docker only",
}
_OURS = "pachlocal.io/"
_ANNOTATIONS = (CODE, ENV, LOG_LIMIT, WARM)
_USUAL_REQUEST = 256 * 2**20  # bytes
_FIND = re.compile(r"\bfind (/pfs/[\w-]+)(?=[\s;|&)]|$)", re.ASCII)
_IDLE_INPUT = {"lazy": "files are laid out as a whole"}


def main(argv: Sequence[str] | None = None) -> int:
    """Check specifications; return 1 when a cluster or this machine would refuse one."""
    parser = argparse.ArgumentParser(prog="pachlocal lint", description=__doc__)
    parser.add_argument("paths", nargs="+", metavar="SPEC", help="a file; - is standard input")
    parser.add_argument(
        "--modernize", action="store_true", help="print the specifications in the form of 2.x"
    )
    arguments = parser.parse_args(argv)
    good = True
    for path in arguments.paths:
        try:
            documents = read_specs(path)
        except CliError as error:
            print(
                f"error: {printable(str(error))}",
                file=sys.stderr if arguments.modernize else sys.stdout,
            )
            good = False
            continue
        for document in documents:
            if arguments.modernize:
                print(json.dumps(document.spec, indent=2, ensure_ascii=False))
            else:
                good = report(document, _compose_of(path)) and good
    return 0 if good else 1


def report(document: Document, compose: Path | None) -> bool:
    """Print what there is to say about a specification; return whether all would take it.

    Args:
        document: The specification.
        compose: What names the folders of images, if there is such a file.
    """
    label = f"{document.place}: {document.request.pipeline.name}"
    refused = list(refusals(document))
    doubts = (
        *_doubts(document.request),
        *_doubts_about_annotations(document.request),
        *_doubts_about_image(document.request, compose),
    )
    needs = _needs(document.request)
    for line in (*refused, *doubts, *needs, *_idle_fields(document.spec)):
        print(printable(f"{label}: {line}"))
    if not refused:
        print(f"{printable(label)}: ready: Pachyderm 2.12 takes it, and so does pachlocal")
    return not refused


def refusals(document: Document) -> Iterator[str]:
    """Yield what a cluster or this machine would refuse in a specification, a sentence each."""
    for note in document.notes:
        yield f"error: Pachyderm 2.12 refuses a form of 1.x: {note} (--modernize rewrites it)"
    try:
        effective(specs.to_dict(document.request))
    except (StricterError, UnsupportedError) as error:
        yield f"error: Pachyderm 2.12 takes it, but pachlocal can't run it: {error}"
    except InvalidArgumentError as error:
        yield f"error: it can't be right: {error}"
    pipeline = document.request.pipeline
    own = RepoName(wire.project_name(pipeline.project), pipeline.name)
    for leaf in leaves(document.request.input):
        if isinstance(leaf, pps_pb2.PFSInput) and own == RepoName(
            leaf.project or own.project, leaf.repo, leaf.repo_type or USER
        ):
            yield f"error: repo {own} cannot be in the provenance of its own branch"


def _needs(request: pps_pb2.CreatePipelineRequest) -> Iterator[str]:
    """Yield a line for each thing that a server wants to be there before it takes the pipeline."""
    for secret in request.transform.secrets:
        key = f" with key {secret.key}" if secret.key else ""
        yield f"note: needs the secret {secret.name}{key}, which has to be there"
    for leaf in leaves(request.input):
        if isinstance(leaf, pps_pb2.PFSInput) and leaf.trigger.branch:
            yield (
                f"note: needs the branch {leaf.trigger.branch} of repo {leaf.repo}, "
                "which has to be there"
            )


def _has_little_memory(request: pps_pb2.CreatePipelineRequest) -> bool:
    """Whether a cluster would request more memory than the specification allows."""
    if not request.HasField("resource_limits") or request.resource_requests.memory:
        return False
    try:
        limit = resources(specs.to_dict(request), "resource_limits").memory
    except InvalidArgumentError:
        return False  # refused anyway
    return limit is not None and 0 < limit < _USUAL_REQUEST


def _doubts(request: pps_pb2.CreatePipelineRequest) -> Iterator[str]:
    """Yield a line for each thing that is taken, and seldom meant."""
    if not request.transform.image:
        yield f"warning: transform.image is missing: {DEFAULT_IMAGE}, if no defaults name another"
    if not request.transform.cmd:
        yield "warning: transform.cmd is missing: the pipeline fails"
    if _has_little_memory(request):
        yield (
            "warning: resource_limits.memory is less than the 256Mi that a cluster's defaults "
            "request, which Kubernetes refuses: set resource_requests.memory as well"
        )
    if request.transform.user and not request.transform.user.split(":")[0].isdecimal():
        yield "warning: transform.user is a name: a cluster takes the number of a user alone"
    words = " ".join((*request.transform.cmd, *request.transform.stdin))
    for found in sorted(set(_FIND.findall(words))):
        yield (
            f"warning: `find {found}` finds nothing on a cluster, where {found} is a link: "
            f"write `find {found}/`"
        )
    if not (request.HasField("input") or request.HasField("spout")):
        yield "warning: input is missing: there is nothing to work on"


def _doubts_about_annotations(request: pps_pb2.CreatePipelineRequest) -> Iterator[str]:
    """Yield a line for each annotation that is for pachlocal alone, or not even that."""
    for name in sorted(request.metadata.annotations):
        if name.startswith(_OURS) and name not in _ANNOTATIONS:
            near = difflib.get_close_matches(name, _ANNOTATIONS, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield f"warning: the annotation {name} means nothing{meant}"
    try:
        passed = passed_env(request.metadata.annotations.get(ENV))
    except InvalidArgumentError:
        passed = ()  # refused anyway
    for name in passed:
        if name not in request.transform.env:
            yield f"warning: {name} is this machine's own ({ENV}); a cluster doesn't have it"


def _compose_of(path: str) -> Path | None:
    """Return the compose.yaml beside a specification, or else that of this folder."""
    folders = [Path(path).parent] if path != "-" else []
    for folder in (*folders, Path()):
        if (folder / "compose.yaml").is_file():
            return folder / "compose.yaml"
    return None


def _doubts_about_image(
    request: pps_pb2.CreatePipelineRequest, compose: Path | None
) -> Iterator[str]:
    """Yield what an image's folder lacks, where folders are known."""
    transform = request.transform
    if compose is None or not transform.image:
        return
    words = (*transform.cmd, *transform.stdin, *transform.err_cmd, *transform.err_stdin)
    try:
        stages = Stages([compose])
    except InvalidArgumentError as error:
        yield f"warning: {error}"
        return
    if remark := image_remark(stages, transform.image, words):
        yield f"warning: {remark}"
    elif (folder := folder_of(stages, transform.image)) is not None:
        name = dockerfile_of(stages, transform.image)
        for note in environment_notes(folder, transform.image, name):
            yield f"note: {note}"


def _idle_fields(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each field that makes no difference."""
    for path, why in _IDLE.items():
        value: Any = spec
        for name in path.split("."):
            value = _get(value, name)
        if value not in (None, "", False, [], {}):
            yield f"note: {path} has no effect on one machine: {why}"
    yield from _idle_input(_get(spec, "input"), "input")


def _idle_input(input_: Any, where: str) -> Iterator[str]:
    for name, why in _IDLE_INPUT.items():
        if _get(_get(input_, "pfs"), name):
            yield f"note: {where}.pfs.{name} has no effect on one machine: {why}"
    for kind in COMBINATIONS:
        for number, arm in enumerate(_get(input_, kind) or ()):
            yield from _idle_input(arm, f"{where}.{kind}[{number}]")


def _get(value: Any, name: str) -> Any:
    """Return a field in snake_case or camelCase, or None."""
    if not isinstance(value, Mapping):
        return None
    first, *rest = name.split("_")
    return value.get(name, value.get(first + "".join(word.title() for word in rest)))


if __name__ == "__main__":
    sys.exit(program.run("pachlocal lint", main))
