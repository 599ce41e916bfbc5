"""The page: the picture and its figures, in one self-contained file."""

from __future__ import annotations

import base64
from html import escape

import iris
from flowers import Predictions
from history import Model

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid #999; padding: 0.2rem 0.6rem; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def render(picture: bytes, predicted: Predictions, models: list[Model]) -> str:
    """Returns the HTML.

    Args:
        picture: The PNG.
        predicted: What the newest model predicted.
        models: All so far, the newest last.
    """
    model = models[-1]
    alternative = (
        "Decision regions, confusion matrix, accuracy of all models; the tables say the same."
    )
    confusion = [
        [name.removeprefix("Iris-"), *row]
        for name, row in zip(iris.SPECIES, model.confusion.to_numpy(), strict=True)
    ]
    flowers = [list(row) for row in predicted.flowers.itertuples(index=False)]
    history = [
        [number, one.title, one.rows, f"{one.accuracy:.4f}", one.commit[:12]]
        for number, one in enumerate(models, 1)
    ]
    short = [name.removeprefix("Iris-") for name in iris.SPECIES]
    encoded = base64.b64encode(picture).decode()
    parts = [
        f'<img src="data:image/png;base64,{encoded}" alt="{alternative}">',
        "<h2>Models so far</h2>",
        _table(["number", "model", "rows", "accuracy", "commit"], history),
        "<h2>Confusion matrix</h2>",
        _table(["true \\ predicted", *short], confusion),
        "<h2>Classified flowers</h2>",
        _table(
            ["file", "line", *(f"{name} (cm)" for name in iris.MEASUREMENTS), "species"], flowers
        ),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Iris report</title>\n'
        f"<style>\n{_STYLE}</style>\n<h1>{escape(model.title)}</h1>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def _table(header: list[str], rows: list[list[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _cell(value: object) -> str:
    kind = "" if isinstance(value, str) else ' class="number"'
    return f"<td{kind}>{escape(str(value))}</td>"
