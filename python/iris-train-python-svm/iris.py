"""Code that the Python stages share: rows in, files out, errors in one line.

Each Python stage folder has a copy, since an image is built from its stage's folder alone;
`make copies` writes them, and a test keeps them equal.
"""

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

MEASUREMENTS = ["sepal length", "sepal width", "petal length", "petal width"]
SPECIES = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
LABEL = "species"
MODEL_FILE = "model.pkl"
# Leaves each species two rows to fit when cross-validation holds one out.
MIN_ROWS = 3

# A number in every language of the workshop; float() also accepts "1_000" and "nan".
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_QUOTES = "\"'"


class InputError(Exception):
    """The input can't be used; the message says where and why, in one line."""


class Training(NamedTuple):
    """Labelled flowers: `rows` is (n_rows, 4) in cm, `labels` has a species for each row."""

    rows: pd.DataFrame
    labels: pd.Series
    files: list[str]


def run(stage: Callable[[], None]) -> int:
    """Returns the exit code of `stage`: 1 after an error that a user can correct."""
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
    files = _files_below(folder)
    if not files:
        raise InputError(f"{folder}: holds no file")
    table = pd.concat([_read(path, [*MEASUREMENTS, LABEL]) for path in files], ignore_index=True)
    counts = table[LABEL].value_counts(sort=False).sort_index()
    if len(counts) < 2:
        raise InputError(
            f"{folder}: all rows are {counts.index[0]}; there must be at least 2 species"
        )
    for species, count in counts[counts < MIN_ROWS].items():
        message = f"{species} has {count} rows; each species must have at least {MIN_ROWS}"
        raise InputError(f"{folder}: {message}")
    names = [path.relative_to(folder).as_posix() for path in files]
    return Training(table[MEASUREMENTS], table[LABEL], names)


def read_attributes(folder: Path) -> dict[Path, pd.DataFrame]:
    """Returns the rows, in cm, of every file below `folder`, by the file's relative path.

    Raises:
        InputError: A file has no rows or a bad one, or there is nothing at all.
    """
    files = _files_below(folder)
    if not files and not any(folder.iterdir()):
        raise InputError(f"{folder}: holds no file")
    return {path.relative_to(folder): _read(path, MEASUREMENTS) for path in files}


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
    """Returns the files, sorted, except hidden ones such as `.DS_Store`."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if not re.search(r"(^|/)\.", str(path.relative_to(folder)))]


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    """Returns a file's rows by line number: numbers, and text for the species."""
    # pandas would check a small file more slowly than a loop, and a large one no faster.
    rows = _fields(path, columns)
    numbers = []
    for line, fields in enumerate(rows, start=1):
        for name, text in zip(MEASUREMENTS, fields, strict=False):  # the species is last
            number = float(text) if _NUMBER.fullmatch(text) else math.nan
            if not math.isfinite(number):
                raise InputError(f"{path}:{line}: {_no_number(name, text)}")
            numbers.append(number)
    values = np.reshape(numbers, (len(rows), len(MEASUREMENTS)))
    table = pd.DataFrame(values, index=range(1, len(rows) + 1), columns=MEASUREMENTS)
    if LABEL in columns:
        labels = [fields[-1] for fields in rows]
        for line, text in enumerate(labels, start=1):
            if text not in SPECIES:
                raise InputError(f"{path}:{line}: {_no_species(text)}")
        table[LABEL] = labels
    return table


def _fields(path: Path, columns: list[str]) -> list[list[str]]:
    """Returns the text of every field, line by line; empty lines may only come last."""
    try:
        # A byte order mark and \r\n are what spreadsheets on Windows write.
        text = path.read_text(encoding="utf-8-sig").rstrip()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    if not text:
        raise InputError(f"{path}: is empty")
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != len(columns) or (number == 1 and not _has_number(line)):
            raise InputError(f"{path}:{number}: {_no_row(line, number, len(columns))}")
        rows.append(fields)
    return rows


def _has_number(line: str) -> bool:
    return any(_NUMBER.fullmatch(field.strip().strip(_QUOTES)) for field in line.split(","))


def _no_row(line: str, number: int, columns: int) -> str:
    """Says why a line isn't a row."""
    if not line.strip():
        return "empty line between rows"
    if ";" in line:
        decimals = " and decimals by points" if "," in line else ""
        return f"columns must be separated by commas{decimals}, as in 5.1,3.5,1.4,0.2"
    if number == 1 and not _has_number(line):
        return "is not a row of numbers; files must have no header line"
    found = line.count(",") + 1
    hint = "; decimals must have a point, not a comma" if found == columns + 4 else ""
    return f"{found} columns; there must be {columns}{hint}"


def _no_number(name: str, text: str) -> str:
    is_quoted = text.strip(_QUOTES) != text and _NUMBER.fullmatch(text.strip(_QUOTES))
    quoted = " without quotes" if is_quoted else ""
    return f"{name} must be a number{quoted}, not '{text}'"


def _no_species(text: str) -> str:
    quoted = " without quotes" if text.strip(_QUOTES) in SPECIES else ""
    return f"species must be one of {', '.join(SPECIES)}{quoted}, not '{text}'"
