"""What the steps change in the pipeline specs, and how it is changed back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class SpecEdit(NamedTuple):
    """A change of a spec by sed.

    Attributes:
        file: The spec; ${CODE} is the language.
        pairs: Texts, and what comes in their places.
    """

    file: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def command(self) -> str:
        """The line of shell; GNU's sed and BSD's both take a suffix that is joined to -i."""
        return _sed(self.pairs, self.file)

    def back(self, folder: Path, code: str) -> Iterator[str]:
        """Yield the lines of shell that undo it, if it was done.

        Args:
            folder: That of the specs.
            code: The language.
        """
        name = self.file.replace("${CODE}", code)
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
        done = tuple((after, before) for before, after in self.pairs if after in text)
        if done:
            yield _sed(done, name)


def _sed(pairs: tuple[tuple[str, str], ...], file: str) -> str:
    script = "; ".join(f"s/{before}/{after}/" for before, after in pairs)
    return f"sed -i.bak '{script}' {file}"


WORKERS = SpecEdit("${CODE}_infer.json", (('"constant": "1"', '"constant": "10"'),))
METHOD = SpecEdit(
    "${CODE}_train.json",
    (
        ("python-svm", "python-lda"),
        ("rstats-svm", "rstats-lda"),
        ("julia-tree", "julia-forest"),
    ),
)
EDITS = (WORKERS, METHOD)
