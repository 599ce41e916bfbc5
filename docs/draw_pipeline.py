"""Draws pipeline.png from the pipeline specs and compose.yaml: `make pipeline.png`.

The picture carries the Graphviz text that it was drawn from, so a test can tell, without Graphviz,
whether it still shows what the specs say.
"""

from __future__ import annotations

import html
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "pipeline.png"
LANGUAGES = ("python", "rstats", "julia")  # in the README's order
BLUE = "#2f6f9f"
DATUMS = {"/": "all files as one datum", "/*": "a datum for each file"}

_KEYWORD = b"Source"  # https://www.w3.org/TR/png-3/#11keywords
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(_SIGNATURE) + 25  # IHDR, always the first chunk

_HEAD = """\
digraph workshop {
  graph [rankdir=TB, dpi=144, pad=0.2, nodesep=0.6, ranksep=0.4, bgcolor=white,
         fontname="Liberation Sans"]
  node [fontname="Liberation Sans", fontsize=12, color="#5b6673", penwidth=1.2]
  edge [fontname="Liberation Sans", fontsize=10, color="#5b6673", fontcolor="#2b333b",
        arrowsize=0.8, penwidth=1.2]
"""


def graph() -> str:
    """Returns the Graphviz text for what the specs say; the same specs give the same text."""
    pipelines: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for kind in ("train", "infer"):
        for language in LANGUAGES:
            path = ROOT / f"{language}_{kind}.json"
            spec = json.loads(path.read_text())
            pipelines.setdefault(spec["pipeline"]["name"], []).append((path, spec))
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    images = [service["image"].rpartition("/")[2] for service in services.values()]

    nodes, edges = [], []
    repos: dict[str, None] = {}
    for name, specs in pipelines.items():
        nodes.append(_pipeline(name, specs, images))
        inputs = dict.fromkeys(found for _, spec in specs for found in _inputs(spec["input"]))
        for repo, glob in inputs:
            repos[repo] = None
            edges.append(_edge(f"repo {repo}", f"pipeline {name}", _glob(glob)))
        repos[name] = None
        edges.append(_edge(f"pipeline {name}", f"repo {name}"))
    nodes += [_repo(name, is_output=name in pipelines) for name in repos]
    return _HEAD + "".join(f"  {line}\n" for line in nodes + edges) + "}\n"


def drawn_from(picture: bytes) -> str:
    """Returns the Graphviz text that a picture carries; nothing if it carries none."""
    at = len(_SIGNATURE)
    while at < len(picture):
        (size,) = struct.unpack_from(">I", picture, at)
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]
        if kind == b"iTXt" and data.startswith(_KEYWORD + b"\0"):
            return data[len(_KEYWORD) + 5 :].decode()
        at += size + 12
    return ""


def draw(text: str) -> bytes:
    """Returns the picture of a Graphviz text, which it carries."""
    picture = subprocess.run(
        ["dot", "-Tpng"], input=text.encode(), stdout=subprocess.PIPE, check=True
    ).stdout
    # Not compressed, no language, no translated keyword.
    chunk = b"iTXt" + _KEYWORD + b"\0" + b"\0\0" + b"\0" + b"\0" + text.encode()
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return picture[:_HEADER_END] + chunk + picture[_HEADER_END:]


def _inputs(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Gives the repos and globs of an input."""
    if "pfs" in spec:
        yield spec["pfs"]["repo"], spec["pfs"]["glob"]
    for combined in ("cross", "union", "join", "group"):
        for part in spec.get(combined, ()):
            yield from _inputs(part)


def _pipeline(name: str, specs: list[tuple[Path, dict[str, Any]]], images: list[str]) -> str:
    """Draws a pipeline as a table: its name, then a line for each language's choice of image."""
    lines = [
        f'<tr><td colspan="2" bgcolor="{BLUE}"><font color="white"><b>{html.escape(name)}</b>'
        "&#160; pipeline: one of</font></td></tr>"
    ]
    for path, spec in specs:
        image = spec["transform"]["image"].rpartition("/")[2]
        family = f"{image.rpartition(':')[0]}:{path.name.partition('_')[0]}"
        others = [
            other.rpartition(":")[2]
            for other in images
            if other != image and (other == family or other.startswith(f"{family}-"))
        ]
        choice = f"<b>{html.escape(image)}</b>"
        choice += "".join(f" or {html.escape(other)}" for other in others)
        lines.append(
            f'<tr><td align="left">{html.escape(path.name)}</td><td align="left">{choice}</td></tr>'
        )
    table = "".join(lines)
    return (
        f'"pipeline {name}" [shape=plain, fontsize=10, label=<<table border="1" cellborder="0" '
        f'cellspacing="0" cellpadding="4" color="{BLUE}" bgcolor="#eef5fa">{table}</table>>]'
    )


def _repo(name: str, *, is_output: bool) -> str:
    colour = "#f6ecd9" if is_output else "#e6f2e6"
    return (
        f'"repo {name}" [shape=cylinder, style=filled, fillcolor="{colour}", margin="0.22,0.06", '
        f'label=<<b>{html.escape(name)}</b><br/><font point-size="10">repo</font>>]'
    )


def _glob(glob: str) -> str:
    lines = [f"glob <b>{html.escape(glob)}</b>"]
    if glob in DATUMS:
        lines.append(DATUMS[glob])
    return "".join(f'&#160;&#160;{line}<br align="left"/>' for line in lines)


def _edge(tail: str, head: str, label: str = "") -> str:
    return f'"{tail}" -> "{head}"' + (f" [label=<{label}>]" if label else "")


if __name__ == "__main__":
    try:
        PICTURE.write_bytes(draw(graph()))
    except FileNotFoundError:
        sys.exit("draw_pipeline: there is no program dot; install Graphviz")
