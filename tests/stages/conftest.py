import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from .workshop import ROOT, Stage


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Stage], Path]:
    """Gives the folder that a trainer wrote for data/iris.csv; each trainer runs once."""
    training = tmp_path_factory.mktemp("training")
    (training / "iris.csv").write_bytes((ROOT / "data" / "iris.csv").read_bytes())

    @functools.cache
    def train(stage: Stage) -> Path:
        out = tmp_path_factory.mktemp(str(stage))
        result = stage.run(training=training, out=out)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return out

    return train
