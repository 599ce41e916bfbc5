"""Tells of an image that has no folder, when that is likely to be a mistake.

Without a folder there is no `/code`: a command that looks for its script there finds nothing, or,
by a relative path, something else. A pipeline that uses the machine's programs alone needs none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from .stages import Stages

_SCRIPTS = {".py", ".r", ".jl", ".sh", ".pl", ".rb", ".js", ".ipynb"}
_CODE = re.compile(r"(?<![\w./-])/code(?![\w-])")
_MOST_NAMED = 5  # images


def missing_folder(stages: Mapping[str, Path], image: str, words: Iterable[str]) -> str:
    """Say that an image has no folder; nothing if its command doesn't seem to need one.

    Args:
        stages: The folders of the images that have one.
        image: The image.
        words: What its command consists of.
    """
    near = _nearest(image, stages)
    if not near and not any(map(_refers_to_code, words)):
        return ""
    files = [str(file) for file in stages.files] if isinstance(stages, Stages) else []
    if not files and not stages:
        return (
            f"no folder for image {image}, so its command has no /code: no compose.yaml is known; "
            "name one by the option --compose of pachlocal up"
        )
    named = sorted(stages)
    shown = ", ".join(named[:_MOST_NAMED])
    if len(named) > _MOST_NAMED:
        shown += f" and {len(named) - _MOST_NAMED} more"
    text = (
        f"no folder for image {image} in {', '.join(files) or 'compose.yaml'}, so its command has "
        f"no /code; known: {shown or 'none'}"
    )
    return f"{text}; did you mean {near}?" if near else text


def _refers_to_code(word: str) -> bool:
    """Whether a word of a command looks like a file of an image's folder."""
    if _CODE.search(word):
        return True
    path = PurePosixPath(word)
    is_relative = bool(word) and not word.startswith(("/", "-", "$")) and len(word.split()) == 1
    return is_relative and path.suffix.lower() in _SCRIPTS


def _nearest(image: str, known: Iterable[str]) -> str:
    """Return the known image that was most likely meant; empty if none is."""
    others = list(known)
    name, _ = _parts(image)
    of_name = [other for other in others if _parts(other)[0] == name]
    near = difflib.get_close_matches(image, of_name or others, n=1, cutoff=0.0 if of_name else 0.85)
    return near[0] if near else ""


def _parts(image: str) -> tuple[str, str]:
    """Return the name of an image and its tag."""
    folder, slash, last = image.partition("@")[0].rpartition("/")
    name, _, tag = last.partition(":")
    return f"{folder}{slash}{name}", tag
