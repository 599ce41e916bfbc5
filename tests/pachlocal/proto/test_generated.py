import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def read_generated(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*_pb2*.py*")}


def test_the_committed_modules_are_what_make_proto_writes(tmp_path: Path) -> None:
    # --old-file: the environment that runs this test is the one to use, however old it is.
    subprocess.run(
        [
            "make",
            "--old-file=.venv/.ready",
            "proto",
            f"BIN={Path(sys.executable).parent}",
            f"PROTO_OUT={tmp_path}",
        ],
        cwd=ROOT,
        check=True,
    )

    written = read_generated(tmp_path / "pachlocal/proto")
    committed = read_generated(ROOT / "pachlocal/proto")
    assert written.keys() == committed.keys()
    stale = sorted(name for name in written if written[name] != committed[name])
    assert not stale, f"run `make proto`: {stale}"
