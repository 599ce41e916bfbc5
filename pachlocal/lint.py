"""What a cluster and one machine make of pipeline specifications. Started by `pachlocal lint`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pachlocal.api.pps import specs
from pachlocal.cli.pachctl.errors import CliError
from pachlocal.cli.pachctl.specs import Document, read_specs
from pachlocal.errors import InvalidArgumentError, UnsupportedError
from pachlocal.pps.spec import effective

# What a spec may say that makes no difference on one machine: field, and why.
_IDLE = {
    "autoscaling": "an idle pipeline is only shown as standing by",
    "datum_set_spec": "workers take one datum after the other",
    "maximum_expected_uptime": "nobody is alerted",
    "metadata": "there are no pods to put it on (the annotation pachlocal.io/warm counts)",
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
            print(f"error: {error}", file=sys.stderr if arguments.modernize else sys.stdout)
            good = False
            continue
        for document in documents:
            if arguments.modernize:
                print(json.dumps(document.spec, indent=2, ensure_ascii=False))
            else:
                good = report(document) and good
    return 0 if good else 1


def report(document: Document) -> bool:
    """Print what there is to say about a specification; return whether all would take it."""
    label = f"{document.place}: {document.request.pipeline.name}"
    refusals = list(_refusals(document))
    for line in (*refusals, *_idle_fields(document.spec)):
        print(f"{label}: {line}")
    if not refusals:
        print(f"{label}: ready: Pachyderm 2.12 takes it, and so does pachlocal")
    return not refusals


def _refusals(document: Document) -> Iterator[str]:
    for note in document.notes:
        yield f"error: Pachyderm 2.12 refuses a form of 1.x: {note} (--modernize rewrites it)"
    try:
        effective(specs.to_dict(document.request))
    except InvalidArgumentError as error:
        yield f"error: it can't be right: {error}"
    except UnsupportedError as error:
        yield f"error: pachlocal refuses it, a cluster may not: {error}"


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
    for kind in ("cross", "union", "join", "group"):
        for number, arm in enumerate(_get(input_, kind) or ()):
            yield from _idle_input(arm, f"{where}.{kind}[{number}]")


def _get(value: Any, name: str) -> Any:
    """Return a field in snake_case or camelCase, or None."""
    if not isinstance(value, Mapping):
        return None
    first, *rest = name.split("_")
    return value.get(name, value.get(first + "".join(word.title() for word in rest)))


if __name__ == "__main__":
    sys.exit(main())
