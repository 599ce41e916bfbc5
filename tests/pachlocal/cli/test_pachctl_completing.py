"""Names that a shell completes by asking the server."""

from __future__ import annotations

from typing import Any

import pytest
from pachctl_fake import FakeServer

from pachlocal.proto import pfs_pb2, pps_pb2


def completed(*words: str, monkeypatch: pytest.MonkeyPatch, pachctl: Any) -> list[str]:
    monkeypatch.setenv("_PACHCTL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["pachctl", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    return list(pachctl().out.split())


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (("inspect", "repo", ""), ["training", "test"]),
        (("inspect", "repo", "tr"), ["training"]),
        (("inspect", "branch", "tr"), ["training@master"]),
        (("list", "branch", "te"), ["test"]),
        (("get", "file", "training@"), ["training@master:/"]),
        (("get", "file", "training@master:/d"), ["training@master:/data/"]),
        (("inspect", "pipeline", ""), ["model"]),
        (("list", "job", "-p", "m"), ["model"]),
        (("inspect", "job", ""), ["model@"]),
        (("wait", "job", "model@"), [f"model@{'1' * 32}"]),
    ],
)
def test_names_are_completed(
    fake: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    pachctl: Any,
    words: tuple[str, ...],
    proposed: list[str],
) -> None:
    model = pps_pb2.Pipeline(name="model")
    master = pfs_pb2.Branch(name="master")
    fake.answers |= {
        "ListRepo": [
            pfs_pb2.RepoInfo(repo=pfs_pb2.Repo(name=name), branches=branches)
            for name, branches in (("training", [master]), ("test", []))
        ],
        "ListFile": [
            pfs_pb2.FileInfo(file=pfs_pb2.File(path=path)) for path in ("/data/", "/iris.csv")
        ],
        "ListPipeline": [pps_pb2.PipelineInfo(pipeline=model)],
        "ListJob": [pps_pb2.JobInfo(job=pps_pb2.Job(pipeline=model, id="1" * 32))],
    }
    found = completed(*words, monkeypatch=monkeypatch, pachctl=pachctl)
    assert found == [f"plain,{name}" for name in proposed]


def test_nothing_is_completed_without_a_server(
    monkeypatch: pytest.MonkeyPatch, pachctl: Any
) -> None:
    monkeypatch.setenv("PACHD_ADDRESS", "unix:///nowhere")
    assert completed("inspect", "repo", "", monkeypatch=monkeypatch, pachctl=pachctl) == []
