"""What the workshop gives, whichever client asks. The scripts of the clients import it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINING = (ROOT / "data" / "iris.csv").read_bytes()
# Two of the 150 rows taken out, as a new version of the training set.
SHORTER_TRAINING = b"".join(TRAINING.splitlines(keepends=True)[2:])
ATTRIBUTES = {path.name: path.read_bytes() for path in sorted((ROOT / "data" / "test").iterdir())}
TRAIN_SPEC = (ROOT / "python_train.json").read_text()
INFER_SPEC = (ROOT / "python_infer.json").read_text()
SVM, LDA = "pachyderm/iris-train:python-svm", "pachyderm/iris-train:python-lda"

_SETOSA, _VERSICOLOR, _VIRGINICA = b"Iris-setosa\n", b"Iris-versicolor\n", b"Iris-virginica\n"
SPECIES = {
    "1.csv": _VIRGINICA,
    "2.csv": _VERSICOLOR + 3 * _VIRGINICA + 2 * _SETOSA,
}
