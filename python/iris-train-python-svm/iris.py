"""What the Python stages share: rows in, files out, errors in one line.

Each Python stage folder has a copy, since an image is built from its stage's folder alone;
a test keeps the copies equal.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

MEASUREMENTS = ("sepal length", "sepal width", "petal length", "petal width")
SPECIES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
MODEL_FILE = "model.pkl"
# So that every species has two rows left to be fitted when cross-validation holds one out.
MIN_ROWS = 3

# What every language of the workshop takes for a number; float() takes "1_000" and "nan" too.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class InputError(Exception):
    """The input can't be used; the message says where and why, in one line."""


class Training(NamedTuple):
    """Labelled flowers: `rows` is (n_rows, 4) in cm, `labels` has a species for each row."""

    rows: list[list[float]]
    labels: list[str]
    files: list[str]


def run(stage: Callable[[], None]) -> int:
    """Returns the exit code of `stage`: 1 after an error that a person can act on."""
    try:
        stage()
    except (InputError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 0


def read_training(folder: Path) -> Training:
    """Returns the labelled rows of every file below `folder`, files in sorted order.

    Raises:
        InputError: A file has no rows or a bad one, or there are too few rows.
    """
    rows, labels, files = [], [], _files_below(folder)
    for path in files:
        for where, fields in _records(path, columns=len(MEASUREMENTS) + 1):
            rows.append(_measurements(where, fields))
            labels.append(_species(where, fields[-1]))
    counts = {species: labels.count(species) for species in SPECIES if species in labels}
    if len(counts) < 2:
        raise InputError(f"{folder}: all rows are {labels[0]}; there must be at least 2 species")
    for species, count in counts.items():
        if count < MIN_ROWS:
            message = f"{species} has {count} rows; each species must have at least {MIN_ROWS}"
            raise InputError(f"{folder}: {message}")
    return Training(rows, labels, [path.relative_to(folder).as_posix() for path in files])


def read_attributes(folder: Path) -> dict[Path, list[list[float]]]:
    """Returns the rows, in cm, of every file below `folder`, by the file's relative path.

    Raises:
        InputError: A file has no rows or a bad one.
    """
    return {
        path.relative_to(folder): [
            _measurements(where, fields)
            for where, fields in _records(path, columns=len(MEASUREMENTS))
        ]
        for path in _files_below(folder)
    }


def write_files(folder: Path, contents: dict[Path, bytes]) -> None:
    """Writes all `contents`, by path relative to `folder`, or none of them."""
    written: list[Path] = []
    try:
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            written.append(partial)
            partial.write_bytes(content)
        for name in contents:
            path = folder / name
            path.with_name(f".{path.name}.partial").replace(path)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def one_line(error: Exception) -> str:
    """Returns the first line of an error that a library raised."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _files_below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise InputError(f"{folder}: holds no file")
    return files


def _records(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Yields each row's place (`file:line`) and fields; empty lines may only come last."""
    try:
        # A byte order mark and \r\n are what spreadsheets on Windows write.
        lines = path.read_text(encoding="utf-8-sig").rstrip().split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    if lines == [""]:
        raise InputError(f"{path}: is empty")
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        if not line.strip():
            raise InputError(f"{where}: empty line between rows")
        fields = [field.strip() for field in line.split(",")]
        if number == 1 and not any(map(_NUMBER.fullmatch, fields)):
            raise InputError(f"{where}: is no row of numbers; files must have no header line")
        if len(fields) != columns:
            raise InputError(f"{where}: {len(fields)} columns; there must be {columns}")
        yield where, fields


def _measurements(where: str, fields: list[str]) -> list[float]:
    values = []
    for name, field in zip(MEASUREMENTS, fields, strict=False):
        value = float(field) if _NUMBER.fullmatch(field) else float("nan")
        if not abs(value) < float("inf"):
            raise InputError(f"{where}: {name} must be a number, not '{field}'")
        values.append(value)
    return values


def _species(where: str, field: str) -> str:
    if field not in SPECIES:
        raise InputError(f"{where}: species must be one of {', '.join(SPECIES)}, not '{field}'")
    return field
