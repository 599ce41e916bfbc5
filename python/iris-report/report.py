"""Draws a model's decision regions and measures, as one page of HTML and one PNG.

It reads what the stages of every language write: rows of CSV and metrics.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import flowers
import history
import iris


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder that holds metrics.json and model.txt")
    parser.add_argument("training", type=Path, help="folder of the rows that it learned from")
    parser.add_argument("attributes", type=Path, help="folder of flowers")
    parser.add_argument("inference", type=Path, help="folder of the species it predicted")
    parser.add_argument("out", type=Path, help="folder for report.html and report.png")
    arguments = parser.parse_args()

    training = iris.read_training(arguments.training)
    predicted = flowers.read_predictions(arguments.attributes, arguments.inference)
    current = history.read_model(arguments.model)
    models = [*history.models_before(), current]
    # matplotlib takes a second to load: errors in the input are reported before that.
    import drawing
    import page

    picture = drawing.draw(training, predicted, models)
    text = page.render(picture, predicted, models)
    iris.write_files(
        arguments.out, {Path("report.html"): text.encode(), Path("report.png"): picture}
    )


if __name__ == "__main__":
    sys.exit(iris.run(main))
