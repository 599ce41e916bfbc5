"""Fits an estimator to iris, checks it by cross-validation, writes the model and its summary.

The Python trainers differ in their estimator alone. Each has a copy of this file, since an
image is built from its stage's folder alone; `make copies` writes them.
"""

from __future__ import annotations

import argparse
import io
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import iris
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

MAX_FOLDS = 10


def main(new_estimator: Callable[[], ClassifierMixin], title: str) -> int:
    """Runs the trainer's command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=f"Fits {title} to iris flowers.")
    parser.add_argument("training", type=Path, help="folder of rows to learn from")
    parser.add_argument("out", type=Path, help="folder for model.pkl, model.txt and metrics.json")
    arguments = parser.parse_args()
    return iris.run(lambda: train(new_estimator, title, arguments.training, arguments.out))


def train(
    new_estimator: Callable[[], ClassifierMixin], title: str, training: Path, out: Path
) -> None:
    """Writes `model.pkl`, `model.txt`, `metrics.json` to `out`: the same bytes for the same rows.

    Raises:
        iris.InputError: The rows can't be read, or no model can be fitted to them.
    """
    data = iris.read_training(training)
    # scikit-learn takes a second to load: bad rows are reported before that.
    import joblib
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    folds = deal_folds(data.labels)
    try:
        model = new_estimator().fit(data.rows, data.labels)
        predicted = cross_val_predict(
            new_estimator(), data.rows, data.labels, cv=PredefinedSplit(folds)
        )
    except ValueError as error:
        raise iris.InputError(f"{training}: no model fits: {iris.one_line(error)}") from error

    pickled = io.BytesIO()
    joblib.dump(model, pickled)
    counts = confuse(data, predicted)
    iris.write_files(
        out,
        {
            Path(iris.MODEL_FILE): pickled.getvalue(),
            Path("model.txt"): summarize(title, data, folds, counts).encode(),
            Path("metrics.json"): measure(counts).encode(),
        },
    )


def deal_folds(labels: pd.Series) -> pd.Series:
    """Returns a fold for each row: a species' rows are dealt out in turn, like cards.

    So every fold has every species, no randomness is needed, and each language of the
    workshop measures its models on the same folds. The rarest species limits their number.
    """
    n_folds = min(MAX_FOLDS, labels.value_counts().min())
    return labels.groupby(labels).cumcount() % n_folds


def confuse(data: iris.Training, predicted: np.ndarray) -> pd.DataFrame:
    """Returns the confusion matrix: a row a true species, a column a predicted one."""
    from sklearn.metrics import confusion_matrix

    species = sorted(data.labels.unique())
    matrix = confusion_matrix(data.labels, predicted, labels=species)
    return pd.DataFrame(matrix, index=species, columns=species)


def summarize(title: str, data: iris.Training, folds: pd.Series, confusion: pd.DataFrame) -> str:
    """Returns the text of `model.txt`."""
    import sklearn

    species = list(confusion.index)
    matrix = confusion.to_numpy()
    total, right = matrix.sum(), matrix.trace()
    rows = ", ".join(f"{name} {count}" for name, count in confusion.sum(axis=1).items())
    width = max(map(len, species))
    table = [["", *species]]
    table += [[name, *map(str, row)] for name, row in zip(species, matrix, strict=True)]
    return "\n".join(
        [
            f"Model: {title}",
            f"Files: {', '.join(data.files)}",
            f"Rows: {total} ({rows})",
            f"Folds: {folds.max() + 1}, dealt by species in file order",
            f"Cross-validated accuracy: {right / total:.4f} ({right} of {total})",
            "Confusion matrix (a line for each true species, a column for each predicted one):",
            *("  ".join(cell.rjust(width) for cell in line) for line in table),
            "Seed: none, nothing is drawn at random",
            f"Versions: Python {platform.python_version()}, scikit-learn {sklearn.__version__}, "
            f"pandas {pd.__version__}, NumPy {np.__version__}",
            "",
        ]
    )


def measure(confusion: pd.DataFrame) -> str:
    """Returns the text of `metrics.json`: names and numbers, the same in each language."""
    right = pd.Series(confusion.to_numpy().diagonal(), index=confusion.index)
    total = int(confusion.to_numpy().sum())
    figures = {"accuracy": f"{right.sum() / total:.4f}", "rows": str(total)}
    for name in confusion.index:
        figures[f"precision of {name}"] = f"{right[name] / max(confusion[name].sum(), 1):.4f}"
        figures[f"recall of {name}"] = f"{right[name] / confusion.loc[name].sum():.4f}"
    for name, row in confusion.iterrows():
        figures |= {
            f"{name} predicted as {predicted}": str(count) for predicted, count in row.items()
        }
    lines = ",\n".join(f'  "{name}": {figure}' for name, figure in figures.items())
    return f"{{\n{lines}\n}}\n"
