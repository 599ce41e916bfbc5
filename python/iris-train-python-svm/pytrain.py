"""Fits a linear support vector machine to iris."""

import sys

import training

TITLE = "a linear support vector machine (scikit-learn SVC, kernel linear, C 1.0)"


def new_estimator():
    """Returns an estimator that is not fitted yet."""
    from sklearn.svm import SVC

    return SVC(kernel="linear", C=1.0)


if __name__ == "__main__":
    sys.exit(training.main(new_estimator, TITLE))
