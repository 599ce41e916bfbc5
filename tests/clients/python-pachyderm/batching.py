"""User code of a pipeline with datum batching; fails on files named bad, and counts its starts."""

import os
import shutil
import sys
from pathlib import Path

import python_pachyderm

with Path(sys.argv[1]).open("a") as starts:
    starts.write("started\n")
worker = python_pachyderm.Client.new_in_cluster().worker
while True:
    with worker.batch_datum():
        (file,) = Path("/pfs/data").iterdir()
        assert os.environ["data"] == str(file)  # noqa: SIM112 - the input's name
        if file.name == "bad":
            raise ValueError("bad file")
        shutil.copy(file, "/pfs/out")
