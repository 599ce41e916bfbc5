"""Fits an estimator to iris, checks it by cross-validation, writes the model and its summary.

The Python trainers differ in their estimator alone. Each has a copy of this file, since an
image is built from its stage's folder alone; a test keeps the copies equal.
"""

import argparse
import io
import platform
from collections.abc import Callable
from pathlib import Path

import iris

MAX_FOLDS = 10


def main(new_estimator: Callable, title: str) -> int:
    """Runs the trainer's command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=f"Fits {title} to iris flowers.")
    parser.add_argument("training", type=Path, help="folder of rows to learn from")
    parser.add_argument("out", type=Path, help="folder for model.pkl and model.txt")
    arguments = parser.parse_args()
    return iris.run(lambda: train(new_estimator, title, arguments.training, arguments.out))


def train(new_estimator: Callable, title: str, training: Path, out: Path) -> None:
    """Writes `model.pkl` and `model.txt` to `out`: the same bytes for the same rows.

    Raises:
        iris.InputError: The rows can't be read, or no model can be fitted to them.
    """
    data = iris.read_training(training)
    # scikit-learn takes a second to load: bad rows are told before it.
    import joblib

    try:
        model = new_estimator().fit(data.rows, data.labels)
        folds = deal_folds(data.labels)
        predicted = cross_validate(new_estimator, data, folds)
    except ValueError as error:
        raise iris.InputError(f"{training}: no model fits: {iris.one_line(error)}") from error

    pickled = io.BytesIO()
    joblib.dump(model, pickled)
    summary = summarize(title, data, folds, predicted)
    iris.write_files(
        out, {Path(iris.MODEL_FILE): pickled.getvalue(), Path("model.txt"): summary.encode()}
    )


def deal_folds(labels: list[str]) -> list[int]:
    """Returns a fold for each row: a species' rows are dealt out in turn, like cards.

    So every fold has every species, no randomness is needed, and each language of the
    workshop measures its models on the same folds. The rarest species limits their number.
    """
    counts = {species: labels.count(species) for species in set(labels)}
    n_folds = min(MAX_FOLDS, *counts.values())
    seen = dict.fromkeys(counts, 0)
    folds = []
    for species in labels:
        folds.append(seen[species] % n_folds)
        seen[species] += 1
    return folds


def cross_validate(new_estimator: Callable, data: iris.Training, folds: list[int]) -> list[str]:
    """Returns, for each row, the species told by a model that was fitted without its fold."""
    predicted = [""] * len(folds)
    for fold in sorted(set(folds)):
        kept = [row for row, other in enumerate(folds) if other != fold]
        held = [row for row, other in enumerate(folds) if other == fold]
        model = new_estimator().fit([data.rows[i] for i in kept], [data.labels[i] for i in kept])
        for row, species in zip(held, model.predict([data.rows[i] for i in held]), strict=True):
            predicted[row] = str(species)
    return predicted


def summarize(title: str, data: iris.Training, folds: list[int], predicted: list[str]) -> str:
    """Returns the text of `model.txt`."""
    import numpy
    import sklearn

    species = sorted(set(data.labels))
    pairs = list(zip(data.labels, predicted, strict=True))
    right = sum(true == told for true, told in pairs)
    rows = ", ".join(f"{name} {data.labels.count(name)}" for name in species)
    width = max(map(len, species))
    table = [["", *species]]
    table += [[true] + [str(pairs.count((true, told))) for told in species] for true in species]
    return "\n".join(
        [
            f"Model: {title}",
            f"Files: {', '.join(data.files)}",
            f"Rows: {len(pairs)} ({rows})",
            f"Folds: {max(folds) + 1}, dealt by species in file order",
            f"Cross-validated accuracy: {right / len(pairs):.4f} ({right} of {len(pairs)})",
            "Confusion matrix (a line for each true species, a column for each told one):",
            *("  ".join(cell.rjust(width) for cell in line) for line in table),
            "Seed: none, nothing is drawn at random",
            f"Versions: Python {platform.python_version()}, scikit-learn {sklearn.__version__}, "
            f"NumPy {numpy.__version__}",
            "",
        ]
    )
