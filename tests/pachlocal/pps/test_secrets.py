from __future__ import annotations

import json
from typing import Any

import pytest
from pps_world import Run, World, make_spec, pfs_input

from pachlocal.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    SecretUnavailableError,
)
from pachlocal.pps.run import pipeline_health
from pachlocal.pps.spec.secret_mounts import SecretMount
from pachlocal.pps.spec.spec import effective
from pachlocal.pps.spec.states import JobState, PipelineState
from pachlocal.pps.tables import secrets
from pachlocal.pps.tables.log_reading import LogFilter


def secret(name: str = "login", **fields: Any) -> bytes:
    return json.dumps({"kind": "Secret", "metadata": {"name": name}, **fields}).encode()


def create(world: World, file: bytes) -> None:
    with world.files.transaction() as tx:
        secrets.create(tx, file)


def variables(world: World, *mounts: SecretMount) -> dict[str, str]:
    with world.files.snapshot() as connection:
        return secrets.variables(connection, mounts)


def test_values_are_base64_or_plain_and_plain_wins(world: World) -> None:
    create(world, secret(data={"a": "aGk=", "b": "eA=="}, stringData={"b": "hä", "c": ""}))
    mounts = [SecretMount("login", key, env_var=key.upper()) for key in "abc"]
    assert variables(world, *mounts) == {"A": "hi", "B": "hä", "C": ""}
    with world.files.snapshot() as connection:
        folders = secrets.folders(connection, [SecretMount("login", mount_path="/keys")])
    assert folders == {"/keys": {"a": b"hi", "b": "hä".encode(), "c": b""}}


def test_lists_tell_names_and_types_only(world: World) -> None:
    create(world, secret("zebra"))
    create(world, secret("ape", type="kubernetes.io/basic-auth"))
    with world.files.snapshot() as connection:
        listed = secrets.list_secrets(connection)
        assert secrets.inspect(connection, "ape") == listed[0]
    assert [(info.name, info.type) for info in listed] == [
        ("ape", "kubernetes.io/basic-auth"),
        ("zebra", "Opaque"),
    ]


def test_there_is_one_of_a_name(world: World) -> None:
    create(world, secret())
    with pytest.raises(AlreadyExistsError, match='secrets "login" already exists'):
        create(world, secret())


def test_what_is_deleted_is_gone(world: World) -> None:
    create(world, secret())
    with world.files.transaction() as tx:
        secrets.delete(tx, "login")
    with world.files.snapshot() as connection:
        assert secrets.list_secrets(connection) == []
        with pytest.raises(NotFoundError, match='secrets "login" not found'):
            secrets.inspect(connection, "login")
    with (
        pytest.raises(NotFoundError, match='secrets "login" not found'),
        world.files.transaction() as tx,
    ):
        secrets.delete(tx, "login")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"{", "this isn't JSON"),
        (b"[]", "this isn't a Kubernetes Secret"),
        (b'{"kind": "Pod"}', "this isn't a Kubernetes Secret"),
        (b"{}", r"metadata\.name must be"),
        (secret("My_Secret"), r"metadata\.name must be"),
        (secret(data=["a"]), "data isn't an object"),
        (secret(data={"a": 1}), r"data\.a isn't a string"),
        (secret(data={"a": "hunter2!"}), r"data\.a isn't base64; plain text goes to stringData"),
        (secret(stringData={"../x": "hunter2"}), r"key '\.\./x' must be"),
        (secret(stringData={"..": "hunter2"}), r"key '\.\.' must be"),
    ],
)
def test_what_is_no_secret(world: World, file: bytes, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        create(world, file)
    assert "hunter2" not in str(caught.value)


def test_a_command_gets_variables_and_nothing_else_shows_them(world: World) -> None:
    seen = []

    def program(run: Run) -> None:
        seen.append((run.invocation.env["PASSWORD"], (run.pfs / ".env").read_text()))

    world.runtime.programs["look"] = program
    world.make_repos("data")
    create(world, secret(stringData={"password": "hunter2"}))
    mount = {"name": "login", "key": "password", "env_var": "PASSWORD"}
    info = world.create(make_spec("p", pfs_input("data"), "look", transform={"secrets": [mount]}))
    world.put("data", {"/a": b""})
    job = world.succeed("p")
    ((password, environment),) = seen
    assert password == "hunter2"  # noqa: S105 - made up
    assert "hunter2" not in environment
    assert "hunter2" not in repr(info)
    lines = world.log(LogFilter(pipeline=job.pipeline))
    assert not [line for line in lines if "hunter2" in line.message]


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        (
            {"name": "gone", "key": "x", "env_var": "X"},
            'secret "gone" not found: make it with `pachctl create secret -f FILE`',
        ),
        ({"name": "login", "key": "x", "env_var": "X"}, "secret \"login\" has no key 'x'"),
        (
            {"name": "gone", "mount_path": "/keys"},
            'secret "gone" not found: make it with `pachctl create secret -f FILE`',
        ),
    ],
)
def test_a_job_without_its_secret_waits_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, mount: dict[str, str], reason: str
) -> None:
    monkeypatch.setattr(pipeline_health, "_PAUSES_S", (0.0, 0.01))
    world.make_repos("data")
    create(world, secret(stringData={"password": "hunter2"}))
    world.create(make_spec("p", pfs_input("data"), transform={"secrets": [mount]}))
    world.put("data", {"/a": b""})

    def said() -> tuple[PipelineState, str]:
        pipeline = world.pipeline("p")
        return pipeline.state, pipeline.reason

    world.wait_until(lambda: said() == (PipelineState.CRASHING, reason))
    if mount["name"] == "login":
        with world.files.transaction() as tx:
            secrets.delete(tx, "login")
    create(world, secret(mount["name"], stringData={"x": "found"}))
    assert world.wait("p").state is JobState.SUCCESS
    world.wait_until(lambda: said() == (PipelineState.RUNNING, ""))


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"key": "a", "env_var": "A"}, "name is missing"),
        ({"name": "login", "key": "a"}, "it must have env_var or mount_path"),
        ({"name": "login", "env_var": "A"}, "env_var needs the key that it is to hold"),
        ({"name": "login", "mount_path": "keys"}, "isn't a folder outside /pfs and /code"),
        ({"name": "login", "mount_path": "/"}, "isn't a folder outside /pfs and /code"),
        (
            {"name": "login", "mount_path": "/keys/../pfs/x"},
            "isn't a folder outside /pfs and /code",
        ),
        ({"name": "login", "mount_path": "/code"}, "isn't a folder outside /pfs and /code"),
        ({"name": "login", "mount_path": "/used/"}, "mount_path /used/ is used twice"),
    ],
)
def test_what_a_spec_can_not_ask_for(mount: dict[str, str], message: str) -> None:
    first = {"name": "first", "mount_path": "/used"}
    spec = make_spec("p", pfs_input("data"), transform={"secrets": [first, mount]})
    with pytest.raises(InvalidArgumentError, match=message):
        effective(spec)


def test_variables_of_a_missing_secret(world: World) -> None:
    with pytest.raises(SecretUnavailableError, match='secret "gone" not found'):
        variables(world, SecretMount("gone", "a", env_var="A"))
