"""What `pachlocal init` writes."""

from __future__ import annotations

import json

LANGUAGES = ("python", "r", "julia")

_COMPOSE = """\
# The images, and the folders that they are built from: `docker compose build` makes them, and
# pachlocal looks here for what an image's /code is.
services:
  words:
    image: example/words:1.0
    build: words
"""

_TEST = '''\
"""What the pipelines make of data. Run by: python3 -m pytest."""

TEXTS = {"/a.txt": "to be or not to be", "/b.txt": "that is the question"}


def test_words_are_counted(pachlocal):
    pachlocal.put("text", TEXTS)
    pachlocal.apply("words.json").check()
    assert pachlocal.files("words") == {"/a.txt": b"6\\n", "/b.txt": b"4\\n"}

    # One changed text is one datum; a text that comes back as it was is none.
    assert pachlocal.put("text", {"/a.txt": "to be"}).ran == {"words": 1}
    assert pachlocal.put("text", {"/b.txt": TEXTS["/b.txt"]}).ran == {"words": 0}

    # A text without words is a mistake, and says so.
    run = pachlocal.put("text", {"/c.txt": " "})
    assert "no words" in run["words"].log
    assert "exit code 1" in run.failures["words"]
'''

_PYTHON = '''\
"""Counts the words of texts: words.py SOURCE TARGET."""

import sys
from pathlib import Path


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    for text in sorted(source.iterdir()):
        count = len(text.read_text(encoding="utf-8").split())
        if not count:
            sys.exit(f"{text.name}: no words")
        (target / text.name).write_text(f"{count}\\n", encoding="utf-8")
        print(f"{text.name}: {count} words")


if __name__ == "__main__":
    main()
'''

_PYTHON_DOCKERFILE = """\
FROM python:3.11.13-slim-bookworm
WORKDIR /code
COPY requirements.txt ./
RUN python3 -m pip install --no-cache-dir --requirement requirements.txt
COPY *.py ./
# The user of Pachyderm's own containers, with whom a worker shares its volumes.
USER 1000:1000
"""

_R = """\
# Counts the words of texts: words.R SOURCE TARGET.
arguments <- commandArgs(trailingOnly = TRUE)
source <- arguments[[1]]
target <- arguments[[2]]
for (name in sort(list.files(source))) {
  lines <- readLines(file.path(source, name), encoding = "UTF-8", warn = FALSE)
  words <- unlist(strsplit(lines, "[[:space:]]+"))
  count <- sum(nzchar(words))
  if (count == 0) {
    message(name, ": no words")
    quit(status = 1)
  }
  cat(count, "\\n", file = file.path(target, name), sep = "")
  cat(name, ": ", count, " words\\n", sep = "")
}
"""

_R_DOCKERFILE = """\
FROM debian:bookworm-20250520-slim
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends r-base-core \\
    && rm -rf /var/lib/apt/lists/*
ENV LANG=C.UTF-8
WORKDIR /code
COPY *.R ./
# The user of Pachyderm's own containers, with whom a worker shares its volumes.
USER 1000:1000
"""

_JULIA = """\
# Counts the words of texts: words.jl SOURCE TARGET.
source, target = ARGS
for name in sort(readdir(source))
    count = length(split(read(joinpath(source, name), String)))
    if count == 0
        println(stderr, "$name: no words")
        exit(1)
    end
    write(joinpath(target, name), "$count\\n")
    println("$name: $count words")
end
"""

_JULIA_DOCKERFILE = """\
FROM julia:1.10.9-bookworm
WORKDIR /code
COPY *.jl ./
# The user of Pachyderm's own containers, with whom a worker shares its volumes.
USER 1000:1000
"""

_STAGES = {
    "python": (
        "python3",
        "words.py",
        {
            "words.py": _PYTHON,
            "Dockerfile": _PYTHON_DOCKERFILE,
            "requirements.txt": "# What the stage imports beyond Python's own library.\n",
            ".dockerignore": "*\n!*.py\n!requirements.txt\n",
        },
    ),
    "r": (
        "Rscript",
        "words.R",
        {"words.R": _R, "Dockerfile": _R_DOCKERFILE, ".dockerignore": "*\n!*.R\n"},
    ),
    "julia": (
        "julia",
        "words.jl",
        {"words.jl": _JULIA, "Dockerfile": _JULIA_DOCKERFILE, ".dockerignore": "*\n!*.jl\n"},
    ),
}


def files(language: str) -> dict[str, str]:
    """Return the files of a project, by path.

    Args:
        language: One of LANGUAGES.
    """
    program, script, stage = _STAGES[language]
    spec = {
        "pipeline": {"name": "words"},
        "description": "Counts the words of each text.",
        "transform": {
            "image": "example/words:1.0",
            "cmd": [program, f"/code/{script}", "/pfs/text", "/pfs/out"],
        },
        "input": {"pfs": {"repo": "text", "glob": "/*"}},
        "datum_tries": 1,
    }
    return {
        "compose.yaml": _COMPOSE,
        "words.json": json.dumps(spec, indent=2) + "\n",
        **{f"words/{name}": text for name, text in stage.items()},
        "tests/test_words.py": _TEST,
    }
