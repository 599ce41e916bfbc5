"""What a name that isn't there may have meant."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from pachctl_fake import FakeServer

from pachlocal.proto import pfs_pb2, pps_pb2

TRAINING = pfs_pb2.Repo(name="training", type="user")


@pytest.mark.parametrize(
    ("details", "guess"),
    [
        ("repo default/trainign not found", "; did you mean training?"),
        ("repo default/flowers not found", ""),
        (
            'branch "master" not found in repo default/traning',
            "; did you mean training@master?",
        ),
        ('branch "mastr" not found in repo default/training', "; did you mean training@master?"),
        ('pipeline "default/modle" not found', "; did you mean model?"),
        ("jobs default/modle@4cb8 not found", "; did you mean model?"),
        ('project "botanny" not found', "; did you mean botany?"),
        ("commit training@4cb8 not found", ""),
        (
            "file /flowers/irs.csv not found in repo default/training at commit 4cb8",
            "; did you mean /flowers/iris.csv?",
        ),
        (
            "file iris.cvs not found in repo default/training.meta at commit 4cb8",
            "; did you mean /iris.csv?",
        ),
        ("file /qq.csv not found in repo default/training at commit 4cb8", ""),
    ],
)
def test_near_names_are_named(pachctl: Any, fake: FakeServer, details: str, guess: str) -> None:
    fake.answers |= {
        "InspectRepo": (grpc.StatusCode.NOT_FOUND, details),
        "ListRepo": [
            pfs_pb2.RepoInfo(repo=TRAINING, branches=[pfs_pb2.Branch(repo=TRAINING, name="master")])
        ],
        "ListFile": [pfs_pb2.FileInfo(file=pfs_pb2.File(path="/flowers/iris.csv"))],
        "ListPipeline": [pps_pb2.PipelineInfo(pipeline=pps_pb2.Pipeline(name="model"))],
        "ListProject": [pfs_pb2.ProjectInfo(project=pfs_pb2.Project(name="botany"))],
    }
    assert pachctl("inspect", "repo", "x") == (1, "", f"pachctl: {details}{guess}\n")


def test_the_error_is_told_where_the_server_can_not_be_asked(
    pachctl: Any, fake: FakeServer
) -> None:
    fake.answers |= {
        "InspectRepo": (grpc.StatusCode.NOT_FOUND, "repo default/x not found"),
        "ListRepo": (grpc.StatusCode.PERMISSION_DENIED, "not for you"),
    }
    assert pachctl("inspect", "repo", "x").err == "pachctl: repo default/x not found\n"


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ((), "create it, or the pipeline that makes it: pachctl create repo data"),
        (
            ("--project", "other"),
            "create it, or the pipeline that makes it: pachctl create repo data --project other",
        ),
    ],
)
def test_a_pipeline_without_its_input_says_how_to_make_that(
    pachctl: Any, fake: FakeServer, tmp_path: Path, words: tuple[str, ...], way: str
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"pipeline": {"name": "out"}, "input": {"pfs": {"repo": "data"}}}')
    details = f"repo {words[1] if words else 'default'}/data not found"
    fake.answers |= {"CreatePipelineV2": (grpc.StatusCode.NOT_FOUND, details), "ListRepo": []}
    outcome = pachctl("create", "pipeline", "-f", str(spec), *words)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, f"pachctl: {details}; {way}")


@pytest.mark.parametrize(("project", "named"), [("default", ""), ("other", " --project other")])
def test_a_pipeline_that_exists_can_be_updated(
    pachctl: Any, fake: FakeServer, project: str, named: str
) -> None:
    details = f'pipeline "{project}/out" already exists'
    fake.answers["InspectRepo"] = (grpc.StatusCode.ALREADY_EXISTS, details)
    said = f"pachctl: {details}; to change it: pachctl update pipeline{named}\n"
    assert pachctl("inspect", "repo", "x").err == said


def test_a_file_without_its_option_is_noticed(pachctl: Any) -> None:
    for words in (("create", "pipeline", "a.json"), ("put", "file", "data@master", "a.csv")):
        outcome = pachctl(*words)
        assert outcome.err.endswith(f"argument ({words[-1]}); if it is a file, name it with -f\n")
    assert "-f" not in pachctl("list", "repo", "a").err
