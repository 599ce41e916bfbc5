"""A DAG of cheap pipelines: what it is, what its commands do, and the same in Python.

copy(left), pair(copy join right), up(pair), down(pair), merge(up union down), total(merge cross
right).

Each command notes that it runs in a file beside the store, and where an order lies for it, it waits
to be killed.
"""

from __future__ import annotations

import os
import select
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pachlocal.proto import pfs_pb2, pps_pb2, pps_spec_pb2

TRIES = 3  # of a datum
BAD = "bad"  # what `copy` fails on begins with it
BAD_REASON = "told to fail"

Files = dict[str, str]
Inputs = Mapping[str, Files]


class Run(NamedTuple):
    """A datum of a job of a pipeline."""

    pipeline: str
    job: str
    datum: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A pipeline.

    Attributes:
        name: Its name.
        inputs: The repos that it reads.
        input: The same as a spec says it.
        script: What its shell runs.
        outputs: The same in Python: from the inputs and a tag to the files.
        workers: How many it has.
        tagged: Whether a new version of it writes something else.
    """

    name: str
    inputs: Sequence[str]
    input: pps_spec_pb2.Input
    script: Sequence[str]
    outputs: Callable[[Inputs, str], Files]
    workers: int = 1
    tagged: bool = False


def _pfs(repo: str, glob: str = "/*", join_on: str = "") -> pps_spec_pb2.Input:
    return pps_spec_pb2.Input(pfs=pps_spec_pb2.PFSInput(repo=repo, glob=glob, join_on=join_on))


def _copied(inputs: Inputs, tag: str) -> Files:
    return {name: f"{tag}:{text}\n" for name, text in inputs["left"].items()}


def _paired(inputs: Inputs, tag: str) -> Files:
    copied, right = inputs["copy"], inputs["right"]
    return {name: copied[name] + right[name] for name in copied.keys() & right.keys()}


def _marked(prefix: str) -> Callable[[Inputs, str], Files]:
    def outputs(inputs: Inputs, tag: str) -> Files:
        return {f"{prefix}-{name}": f"{tag}\n{text}" for name, text in inputs["pair"].items()}

    return outputs


def _merged(inputs: Inputs, tag: str) -> Files:
    return {**inputs["up"], **inputs["down"]}


def _total(inputs: Inputs, tag: str) -> Files:
    texts = [text for repo in ("merge", "right") for _, text in sorted(inputs[repo].items())]
    return {"total": "".join(texts)}


_MARK = 'for f in /pfs/pair/*; do { echo "$TAG"; cat $f; } > /pfs/out/%s-${f##*/}; done'

STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "copy",
            ["left"],
            _pfs("left"),
            [
                "for f in /pfs/left/*; do",
                f'  case $(cat $f) in {BAD}*) echo "{BAD_REASON}"; exit 7;; esac',
                '  echo "$TAG:$(cat $f)" > /pfs/out/${f##*/}',
                "done",
            ],
            _copied,
            workers=2,
            tagged=True,
        ),
        Stage(
            "pair",
            ["copy", "right"],
            pps_spec_pb2.Input(
                join=[_pfs("copy", "/(*)", "$1"), _pfs("right", "/(*)", "$1")],
            ),
            ["for f in /pfs/copy/*; do cat $f /pfs/right/${f##*/} > /pfs/out/${f##*/}; done"],
            _paired,
        ),
        Stage("up", ["pair"], _pfs("pair"), [_MARK % "up"], _marked("up"), 2, tagged=True),
        Stage("down", ["pair"], _pfs("pair"), [_MARK % "down"], _marked("down")),
        Stage(
            "merge",
            ["up", "down"],
            pps_spec_pb2.Input(union=[_pfs("up"), _pfs("down")]),
            ["for d in up down; do if [ -d /pfs/$d ]; then cp /pfs/$d/* /pfs/out/; fi; done"],
            _merged,
            workers=2,
        ),
        Stage(
            "total",
            ["merge", "right"],
            pps_spec_pb2.Input(cross=[_pfs("merge", "/"), _pfs("right", "/")]),
            ["cat /pfs/merge/* /pfs/right/* > /pfs/out/total"],
            _total,
        ),
    )
}


def spec(stage: Stage, side: Side, tag: str) -> pps_spec_pb2.CreatePipelineRequest:
    """Returns what creates a pipeline."""
    return pps_spec_pb2.CreatePipelineRequest(
        pipeline=pipeline(stage.name),
        transform=pps_spec_pb2.Transform(
            image="busybox:1",
            cmd=["sh", "-e"],
            stdin=[*side.preamble(stage.name), *stage.script],
            env={"TAG": tag, "SIDE": str(side.folder)},
        ),
        input=stage.input,
        parallelism_spec=pps_spec_pb2.ParallelismSpec(constant=stage.workers),
        datum_tries=TRIES,
    )


def pipeline(name: str) -> pps_spec_pb2.Pipeline:
    return pps_spec_pb2.Pipeline(name=name, project=pfs_pb2.Project(name="default"))


def job(name: str, id_: str) -> pps_pb2.Job:
    return pps_pb2.Job(pipeline=pipeline(name), id=id_)


class Side:
    """A folder beside the store: what ran, and orders for commands to wait and be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "runs").mkdir(parents=True)
        (folder / "orders").mkdir()
        for name in ("held", "go"):
            os.mkfifo(folder / name)
        # For writing too: without a writer it would be readable, with nothing to read.
        self._held = os.open(folder / "held", os.O_RDWR | os.O_NONBLOCK)
        self._waiting: deque[Run] = deque()

    def preamble(self, name: str) -> list[str]:
        """Returns the lines that begin a pipeline's script."""
        return [
            f'echo "$PACH_JOB_ID $PACH_DATUM_ID" >> $SIDE/runs/{name}',
            f"for n in {' '.join(map(str, range(TRIES)))}; do",
            f"  if rm $SIDE/orders/{name}.$n 2> /dev/null; then",
            f'    echo "{name} $PACH_JOB_ID $PACH_DATUM_ID" > $SIDE/held',
            "    read x < $SIDE/go",  # nobody writes there
            "  fi",
            "done",
        ]

    def runs(self) -> Counter[Run]:
        """Returns how often the command has begun to run, for each datum of each job."""
        return Counter(
            Run(file.name, *line.split())
            for file in (self.folder / "runs").iterdir()
            for line in file.read_text().splitlines()
        )

    def order(self, name: str, times: int) -> None:
        """Has the next runs of a pipeline's command wait to be killed."""
        for number in range(times):
            (self.folder / "orders" / f"{name}.{number}").touch()

    def withdraw(self) -> bool:
        """Takes back the orders that nobody has taken; whether there were any."""
        left = list((self.folder / "orders").iterdir())
        for order in left:
            order.unlink(missing_ok=True)
        return bool(left)

    def await_held(self, timeout_s: float) -> Run | None:
        """Returns what waits to be killed, as soon as something does."""
        if not self._waiting:
            if not select.select([self._held], [], [], timeout_s)[0]:
                return None
            lines = os.read(self._held, 4096).decode().splitlines()
            self._waiting.extend(Run(*line.split()) for line in lines)
        return self._waiting.popleft()

    def close(self) -> None:
        os.close(self._held)
