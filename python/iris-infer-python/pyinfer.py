"""Predicts the species of flowers: a line of output for each row of measurements."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import iris

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder that holds model.pkl")
    parser.add_argument("attributes", type=Path, help="folder of files to classify")
    parser.add_argument("out", type=Path, help="folder for the answers, files of the same names")
    arguments = parser.parse_args()

    flowers = iris.read_attributes(arguments.attributes)
    model = load_model(arguments.model)
    species = {path: model.predict(rows) for path, rows in flowers.items()}
    iris.write_files(
        arguments.out,
        {path: "".join(f"{name}\n" for name in names).encode() for path, names in species.items()},
    )


def load_model(folder: Path) -> ClassifierMixin:
    """Returns the estimator in `folder`.

    A pickle runs code as it loads: the repo of models must be one that you trust.

    Raises:
        iris.InputError: There is no model, or no Python trainer wrote it.
    """
    path = folder / iris.MODEL_FILE
    if not path.is_file():
        others = sorted(other.name for other in folder.glob("model.*") if other.suffix != ".txt")
        hint = f"; {others[0]} is of another language" if others else ""
        raise iris.InputError(f"{path}: no such model{hint}")
    # joblib, and scikit-learn with the model, take a second: bad rows are reported before that.
    import joblib

    try:
        model = joblib.load(path)
    except Exception as error:  # a damaged pickle can raise anything
        raise iris.InputError(
            f"{path}: can't be read as a model: {iris.one_line(error)}"
        ) from error
    classes = {str(name) for name in getattr(model, "classes_", ())}
    n_features = getattr(model, "n_features_in_", None)
    if not classes or not classes.issubset(iris.SPECIES) or n_features != len(iris.MEASUREMENTS):
        raise iris.InputError(f"{path}: is a {type(model).__name__}, not an iris model")
    return model


if __name__ == "__main__":
    sys.exit(iris.run(main))
