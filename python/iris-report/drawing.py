"""The picture: decision regions, confusion matrix, and accuracy over all models so far."""

from __future__ import annotations

import io

import iris
import matplotlib
import numpy as np
from flowers import Predictions
from history import Model
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

matplotlib.use("Agg")  # no display in a worker

# Okabe and Ito's colours, which everybody can tell apart; the shapes differ as well.
_LOOKS = dict(
    zip(iris.SPECIES, (("#0072B2", "o"), ("#E69F00", "s"), ("#CC79A7", "^")), strict=True)
)
_SIZE_INCHES = (16.0, 5.0)
_DPI = 100


def draw(training: iris.Training, predicted: Predictions, models: list[Model]) -> bytes:
    """Returns a PNG: the same bytes for the same data.

    Args:
        training: What the newest model learned from.
        predicted: What it predicted.
        models: All so far, the newest last.
    """
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    regions, confusion, accuracy = figure.subplots(1, 3, width_ratios=(5, 4, 5))
    _draw_regions(regions, training, predicted)
    _draw_confusion(confusion, models[-1])
    _draw_accuracy(accuracy, models)
    figure.suptitle(models[-1].title)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _draw_regions(axes: Axes, training: iris.Training, predicted: Predictions) -> None:
    x, y = iris.MEASUREMENTS[2:]
    if predicted.grid is not None:
        numbers = predicted.grid.apply(lambda column: column.map(iris.SPECIES.index))
        colours = ListedColormap([colour for colour, _ in _LOOKS.values()])
        axes.pcolormesh(
            np.asarray(predicted.grid.columns, dtype=float),
            np.asarray(predicted.grid.index, dtype=float),
            numbers.to_numpy(dtype=float),
            cmap=colours,
            vmin=0,
            vmax=len(iris.SPECIES) - 1,
            alpha=0.25,
            shading="nearest",
        )
    for species, (colour, shape) in _LOOKS.items():
        rows = training.rows[training.labels == species]
        axes.scatter(rows[x], rows[y], s=18, c=colour, marker=shape, label=species)
        found = predicted.flowers[predicted.flowers[iris.LABEL] == species]
        axes.scatter(
            found[x].astype(float),
            found[y].astype(float),
            s=110,
            c=colour,
            marker=shape,
            edgecolors="black",
            linewidths=1.5,
            label=f"classified: {species.removeprefix('Iris-')}" if len(found) else None,
        )
    axes.set(
        xlabel=f"{x} (cm)",
        ylabel=f"{y} (cm)",
        title="Training data (small) and classified flowers (large)",
    )
    axes.legend(fontsize="small", loc="upper left")


def _draw_confusion(axes: Axes, model: Model) -> None:
    counts = model.confusion.to_numpy()
    axes.imshow(counts, cmap="Blues", vmin=0)
    names = [name.removeprefix("Iris-") for name in model.confusion.index]
    ticks = range(len(names))
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names, rotation=90, va="center")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix, cross-validated")


def _draw_accuracy(axes: Axes, models: list[Model]) -> None:
    numbers = range(1, len(models) + 1)
    shares = [model.accuracy for model in models]
    axes.plot(numbers, shares, "o-", color="#0072B2")
    for number, share in zip(numbers, shares, strict=True):
        axes.annotate(
            f"{share:.4f}", (number, share), (0, 8), textcoords="offset points", ha="center"
        )
    axes.set_xticks(numbers)
    axes.set_ylim(min(0.9, *shares) - 0.02, 1.02)
    axes.set_xlim(0.5, len(models) + 0.5)
    axes.set(
        xlabel="model", ylabel="accuracy", title="Accuracy, cross-validated, of all models so far"
    )
    axes.grid(axis="y", alpha=0.3)
