"""Flowers and the species a model predicted; those of a grid show where it draws its lines."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import iris
import pandas as pd

_SEPAL, _PETAL = iris.MEASUREMENTS[:2], iris.MEASUREMENTS[2:]
_LEAST_OF_A_GRID = 100


class Predictions(NamedTuple):
    """What a model has predicted.

    Attributes:
        flowers: A row for each: its file and line, the measurements in cm, the species.
        grid: The species over a plane of petals, sepals alike: petal widths by petal lengths; None
            if no file is such a grid.
    """

    flowers: pd.DataFrame
    grid: pd.DataFrame | None


def read_predictions(attributes: Path, inference: Path) -> Predictions:
    """Returns the flowers below `attributes` with the species of the files below `inference`.

    Raises:
        iris.InputError: A file has bad rows, or the two folders don't go together.
    """
    tables, grid = [], None
    for name, rows in iris.read_attributes(attributes).items():
        predicted = _read_species(inference / name, len(rows))
        table = rows.assign(**{iris.LABEL: predicted}).reset_index(names="line")
        if _is_grid(rows):
            grid = table.pivot(index=_PETAL[1], columns=_PETAL[0], values=iris.LABEL)
        else:
            tables.append(table.assign(file=name.as_posix()))
    columns = ["file", "line", *iris.MEASUREMENTS, iris.LABEL]
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return Predictions(found[columns], grid)


def _read_species(path: Path, count: int) -> list[str]:
    """Returns the lines of a file of answers.

    Raises:
        iris.InputError: There is no such file, or it doesn't answer for `count` flowers.
    """
    if not path.is_file():
        raise iris.InputError(f"{path}: no such file, for the flowers of the same name")
    species = path.read_text().split("\n")[:-1]
    if len(species) != count:
        raise iris.InputError(f"{path}: {len(species)} lines for {count} flowers")
    for line, name in enumerate(species, 1):
        if name not in iris.SPECIES:
            raise iris.InputError(f"{path}:{line}: no species of iris: '{name}'")
    return species


def _is_grid(rows: pd.DataFrame) -> bool:
    """Whether all rows have the same sepals, and their petals are all pairs of some sizes."""
    sizes = [rows[name].nunique() for name in _PETAL]
    return (
        len(rows) >= _LEAST_OF_A_GRID
        and len(rows[_SEPAL].drop_duplicates()) == 1
        and len(rows) == len(rows[_PETAL].drop_duplicates()) == sizes[0] * sizes[1]
    )
