"""Checks what a machine lacks for the pipelines of a folder. Run by `pachlocal doctor`.

Prints a JSON array of [verdict, subject, text, cure].
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from pachlocal.cli import program
from pachlocal.cli.pachctl.pps.specs import Document
from pachlocal.dev.project import Project, image_of
from pachlocal.errors import InvalidArgumentError
from pachlocal.lint import refusals
from pachlocal.runtime.environment import container_environment, interpreter_environment
from pachlocal.runtime.environments.keeper import Environments
from pachlocal.runtime.environments.shelf import Shelf, default_place
from pachlocal.runtime.remarks import image_remark
from pachlocal.runtime.stages import Stages, folder_of

Finding: TypeAlias = "tuple[str, str, str, str]"

_CODE = re.compile(r"/code/([\w./-]+)")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings about a folder."""
    (folder,) = sys.argv[1:] if argv is None else argv
    print(json.dumps(list(findings(Path(folder).absolute()))))
    return 0


def findings(folder: Path) -> Iterator[Finding]:
    """Look at a folder's specifications, the folders of their images, and what they need."""
    project = Project(folder)
    changes = project.look()
    for problem in changes.problems:
        yield "fail", "project", problem, ""
    count = len(project.specs)
    if not count:
        yield "fail", "project", f"{folder} has no specification", "pachlocal init writes one"
    else:
        names = ", ".join(name for _, name in project.specs)
        yield "pass", "project", f"{count} pipeline{'s' * (count != 1)}: {names}", ""
    try:
        stages = Stages([project.compose]) if project.compose else {}
    except InvalidArgumentError:
        return  # it is among the problems
    for document in project.specs.values():
        yield from _of_pipeline(project, stages, document)


def _of_pipeline(
    project: Project, stages: Mapping[str, Path], document: Document
) -> Iterator[Finding]:
    name, transform = document.request.pipeline.name, document.request.transform
    for refusal in refusals(document):
        yield "fail", name, f"{document.place}: {refusal}", ""
    image = image_of(document)
    folder = folder_of(project.stages, image)
    words = [*transform.cmd, *transform.stdin]
    if text := image_remark(stages, image, words):
        yield "fail", name, text, ""
        return
    problems = list(_of_command(name, words, folder))
    yield from problems
    if not problems:
        place = project.shown(folder) if folder else "no folder of its own"
        yield "pass", name, f"{image or 'the default image'}: {place}; {transform.cmd[0]}", ""
    if folder is not None:
        yield from _of_environment(name, folder)


def _of_command(name: str, words: Sequence[str], folder: Path | None) -> Iterator[Finding]:
    if not words:
        yield "fail", name, "its transform has no cmd", ""
        return
    first = words[0]
    if not first.startswith("/code/") and shutil.which(first) is None:
        yield "fail", name, f"{first} is not on PATH", f"install it, or run {name} in Docker"
    for word in words if folder is not None else ():
        for path in _CODE.findall(word):
            if folder is not None and not (folder / path).exists():
                yield (
                    "fail",
                    name,
                    f"its command names /code/{path}, and {folder} has no {path}",
                    "",
                )


def _of_environment(name: str, folder: Path) -> Iterator[Finding]:
    """Say whether what a stage asks for is installed; the first job does it otherwise."""
    env = interpreter_environment(container_environment(os.environ))
    environments = Environments(Shelf(default_place()), env)
    for it in environments.asked(folder, name):
        if it.is_there:
            yield "pass", name, f"{it.name} is there: {it.place}", ""
        else:
            cure = f"before the first job, if you like: pachlocal environment make {folder}"
            yield "note", name, f"{it.name} isn't made yet", cure


if __name__ == "__main__":
    sys.exit(program.run("pachlocal doctor", main))
