"""Fits a linear discriminant analysis to iris."""

import sys

import training

TITLE = "a linear discriminant analysis (scikit-learn LinearDiscriminantAnalysis, solver svd)"


def new_estimator():
    """Returns an estimator that is not fitted yet."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="svd")


if __name__ == "__main__":
    sys.exit(training.main(new_estimator, TITLE))
