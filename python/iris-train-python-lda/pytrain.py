"""Fits a linear discriminant analysis to iris."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import training

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

TITLE = "a linear discriminant analysis (scikit-learn LinearDiscriminantAnalysis, solver svd)"


def new_estimator() -> ClassifierMixin:
    """Returns an estimator that is not fitted yet."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="svd")


if __name__ == "__main__":
    sys.exit(training.main(new_estimator, TITLE))
