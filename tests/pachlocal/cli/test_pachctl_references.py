from typing import Any

import click
import pytest

from pachlocal.cli.pachctl.references import (
    COMMIT,
    FILE,
    JOB,
    Reference,
    is_id,
    parse,
    parse_job,
)

ID = "0123456789ab4cdef0123456789abcde"
NO_JOB = (
    "the ID of the job is missing, as in model@latest; pachctl list job -p model shows them all"
)
NO_ID = "0123456789ab1cdef0123456789abcde"  # not a version 4 UUID


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("data", Reference("data")),
        ("data.meta", Reference("data", "meta")),
        ("data@master", Reference("data", branch="master")),
        ("data@a-b_c1", Reference("data", branch="a-b_c1")),
        (f"data@{ID}", Reference("data", commit=ID)),
        (f"data@{NO_ID}", Reference("data", branch=NO_ID)),
        ("data@master^2", Reference("data", commit="master^2")),
        ("data@master~", Reference("data", commit="master~")),
        ("data@master.1", Reference("data", commit="master.1")),
        (f"data@master={ID}", Reference("data", branch="master", commit=ID)),
        ("data@master:/a/b", Reference("data", branch="master", path="/a/b")),
        ("data@master:", Reference("data", branch="master", path="")),
        (f"data.spec@{ID}:a:b@c", Reference("data", "spec", commit=ID, path="a:b@c")),
        ("data@master^:/a", Reference("data", commit="master^", path="/a")),
    ],
)
def test_what_a_reference_names(text: str, reference: Reference) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize("text", ["", "@master", "data@", "data@:/a", ".meta@x"])
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match=r"missing|nothing"):
        parse(text)


def test_a_commit_names_its_repo_for_old_and_new_servers() -> None:
    commit = parse(f"data@master={ID}").to_commit("p")

    assert commit.repo == commit.branch.repo
    assert (commit.repo.name, commit.repo.type, commit.repo.project.name) == ("data", "user", "p")
    assert (commit.branch.name, commit.id) == ("master", ID)


def test_a_file_without_a_path_is_the_root() -> None:
    assert parse("data@master").to_file("p").path == "/"


def test_jobs_are_named_by_pipeline_and_id() -> None:
    assert parse_job(f"model@{ID}") == ("model", ID)
    for text in ("model", "@x", "model@"):
        with pytest.raises(ValueError, match="is missing"):
            parse_job(text)


def test_only_version_4_uuids_are_ids() -> None:
    assert is_id(ID)
    assert not is_id(NO_ID)
    assert not is_id(ID.upper())
    assert not is_id(ID + "0")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (JOB, "model", NO_JOB),
        (JOB, "model@", NO_JOB),
        (JOB, ID, f"the pipeline is missing; pachctl list job {ID} shows it"),
        (JOB, "@x", "the name of the pipeline is missing"),
        (COMMIT, "model", "the branch or commit is missing, as in model@master"),
        (FILE, "data", "the branch or commit is missing, as in data@master"),
        (FILE, "data:/1.csv", "the branch or commit is missing, as in data@master:/1.csv"),
    ],
)
def test_what_is_missing_is_named(kind: click.ParamType[Any], text: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert caught.value.message == f'"{text}": {said} (the form is {kind.name})'
