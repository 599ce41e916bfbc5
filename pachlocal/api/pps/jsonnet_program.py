"""A program: renders a jsonnet template, in bounded memory.

Its input is JSON: `template`, and the `args` that the template, a function, is called with. What is
wrong it says in its last line to stderr, with exit code 1; 3 if there is no jsonnet here.
"""

from __future__ import annotations

import json
import resource
import sys
import urllib.request
from importlib import import_module
from typing import Any

_MEMORY = 2**32  # bytes of addresses, of which Go's runtime takes many
_LONGEST = 500  # characters of a message
_MOST = 2**20  # bytes of an imported file
_TIMEOUT_S = 5.0


def main() -> None:
    """Read, render, print."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere it isn't kept, or can't be set
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    jsonnet = _library()
    given = json.load(sys.stdin)
    if any("\0" in text for text in (given["template"], *given["args"], *given["args"].values())):
        sys.exit("template err: jsonnet can't read NUL characters")
    try:
        rendered = jsonnet.evaluate_snippet(
            "main", given["template"], tla_vars=given["args"], import_callback=_fetch
        )
    except (RuntimeError, ValueError) as error:  # the latter: half a character
        sys.exit(f"template err: {' '.join(str(error).split())[:_LONGEST]}")
    sys.stdout.write(rendered)


def _library() -> Any:
    for name in ("_jsonnet", "_gojsonnet"):  # the same calls; neither has wheels for all machines
        try:
            return import_module(name)
        except ImportError:
            continue
    print("jsonnet is not installed: pip install 'pachlocal[jsonnet]'", file=sys.stderr)
    sys.exit(3)


def _fetch(_folder: str, name: str) -> tuple[str, bytes]:
    """Return what a template imports, which comes from the net: it has no folder of its own."""
    if not name.startswith(("http://", "https://")):
        raise RuntimeError(f"{name}: a template can only import what http:// or https:// names")
    with urllib.request.urlopen(name, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # checked
        content = answer.read(_MOST + 1)
    if len(content) > _MOST:
        raise RuntimeError(f"{name}: larger than {_MOST // 2**20} MiB")
    return name, content


if __name__ == "__main__":
    main()
