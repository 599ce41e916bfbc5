"""Fits a linear support vector machine to iris."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import training

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

TITLE = "a linear support vector machine (scikit-learn SVC, kernel linear, C 1.0)"


def new_estimator() -> ClassifierMixin:
    """Returns an estimator that is not fitted yet."""
    from sklearn.svm import SVC

    return SVC(kernel="linear", C=1.0)


if __name__ == "__main__":
    sys.exit(training.main(new_estimator, TITLE))
