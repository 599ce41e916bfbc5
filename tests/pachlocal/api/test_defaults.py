"""Defaults of specs: set for the cluster and for a project, and merged into pipelines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2, pfs_pb2_grpc, pps_pb2, pps_pb2_grpc

PROJECT = pfs_pb2.Project(name="other")
INPUT = {"pfs": {"repo": "in", "glob": "/*", "project": "default"}}
INITIAL = {"cpu": 1, "memory": "256Mi", "disk": "1Gi"}


class Server:
    """A server with a repo `in` and a project `other`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.pfs = pfs_pb2_grpc.APIStub(channel)
        self.pps = pps_pb2_grpc.APIStub(channel)
        self.pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=pfs_pb2.Repo(name="in", type="user")))
        self.pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=PROJECT))

    def create(self, name: str, project: str = "default", **fields: Any) -> dict[str, Any]:
        spec = {
            "pipeline": {"name": name, "project": {"name": project}},
            "transform": {"cmd": ["true"]},
            "input": INPUT,
            **fields,
        }
        request = pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec))
        response = self.pps.CreatePipelineV2(request)
        return dict(json.loads(response.effective_create_pipeline_request_json))

    def inspect(self, name: str, project: str = "default") -> pps_pb2.PipelineInfo:
        pipeline = pps_pb2.Pipeline(name=name, project=pfs_pb2.Project(name=project))
        request = pps_pb2.InspectPipelineRequest(pipeline=pipeline, details=True)
        return self.pps.InspectPipeline(request)

    def set_cluster(self, spec: Any, **fields: bool) -> list[str]:
        text = json.dumps({"createPipelineRequest": spec})
        response = self.pps.SetClusterDefaults(
            pps_pb2.SetClusterDefaultsRequest(cluster_defaults_json=text, **fields)
        )
        return [pipeline.name for pipeline in response.affected_pipelines]

    def set_project(self, spec: Any, **fields: bool) -> list[str]:
        text = json.dumps({"create_pipeline_request": spec})
        response = self.pps.SetProjectDefaults(
            pps_pb2.SetProjectDefaultsRequest(project=PROJECT, project_defaults_json=text, **fields)
        )
        return [pipeline.name for pipeline in response.affected_pipelines]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    daemon = Daemon(tmp_path_factory.mktemp("defaults") / "store")
    daemon.start()
    try:
        with grpc.insecure_channel(daemon.address) as channel:
            yield Server(channel)
    finally:
        daemon.end()


@pytest.fixture
def server(served: Server) -> Server:
    served.pps.DeletePipelines(pps_pb2.DeletePipelinesRequest(all=True, force=True))
    served.set_cluster({"resource_requests": INITIAL})
    served.set_project({})
    return served


def test_a_new_cluster_has_the_defaults_of_a_real_one(served: Server) -> None:
    found = served.pps.GetClusterDefaults(pps_pb2.GetClusterDefaultsRequest())
    project = served.pps.GetProjectDefaults(pps_pb2.GetProjectDefaultsRequest())

    assert json.loads(found.cluster_defaults_json) == {
        "createPipelineRequest": {"resourceRequests": INITIAL, "sidecarResourceRequests": INITIAL}
    }
    assert project.project_defaults_json == "{}"


def test_a_spec_is_merged_into_defaults(server: Server) -> None:
    server.set_cluster(
        {"datumTries": 17, "resourceRequests": {"memory": "64Mi", "cpu": 2}, "autoscaling": True}
    )
    server.set_project({"datum_tries": 5, "transform": {"env": {"A": "project", "B": "project"}}})

    effective = server.create(
        "p",
        "other",
        autoscaling=False,
        resource_requests={"cpu": None, "disk": "187Mi"},
        transform={"cmd": ["true"], "env": {"A": "own"}},
    )
    info = server.inspect("p", "other")

    assert effective["datumTries"] == 5
    assert effective["resourceRequests"] == {"memory": "64Mi", "disk": "187Mi"}
    assert effective["autoscaling"] is False
    assert json.loads(info.effective_spec_json) == effective
    assert info.details.datum_tries == 5
    assert info.details.transform.image == "ubuntu:20.04"
    assert dict(info.details.transform.env) == {"A": "own", "B": "project"}
    assert server.create("q")["datumTries"] == 17


def test_a_number_of_workers_that_nobody_asked_for_is_not_in_the_spec(server: Server) -> None:
    effective = server.create("p")
    info = server.inspect("p")
    server.set_cluster({"parallelismSpec": {"constant": "2"}})
    server.create("q")

    assert "parallelismSpec" not in effective
    assert not info.details.HasField("parallelism_spec")
    assert info.parallelism == 1
    assert server.inspect("q").details.parallelism_spec.constant == 2
    assert server.inspect("q").parallelism == 2


def test_the_user_spec_is_kept_as_it_was_given(server: Server) -> None:
    text = """{"pipeline": {"name": "p"}, "datumTries": null,
        "transform": {"cmd": ["true"], "image": "x"}, "input": {"pfs": {"repo": "in", "glob": "/"}}
    }"""
    server.pps.CreatePipelineV2(pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=text))

    assert server.inspect("p").user_spec_json == text


def test_a_dry_run_completes_a_spec_that_is_unfinished(server: Server) -> None:
    server.set_cluster({"datumTries": 4})
    spec = {"pipeline": {"name": "p"}, "transform": {}, "input": {"pfs": {}}}

    response = server.pps.CreatePipelineV2(
        pps_pb2.CreatePipelineV2Request(create_pipeline_request_json=json.dumps(spec), dry_run=True)
    )

    effective = json.loads(response.effective_create_pipeline_request_json)
    assert effective["transform"] == {"image": "ubuntu:20.04"}
    assert effective["datumTries"] == 4
    with pytest.raises(grpc.RpcError):
        server.inspect("p")


def test_regenerating_updates_the_pipelines_that_change(server: Server) -> None:
    server.create("p", "other")
    server.create("q", "other", datum_tries=7)
    first = server.inspect("p", "other").details
    salt = first.salt
    assert first.updated_at == first.created_at

    assert server.set_cluster({"resource_requests": INITIAL}, regenerate=True) == []
    assert server.set_project({"datumTries": 9}, regenerate=True, dry_run=True) == ["p"]
    assert server.inspect("p", "other").version == 1
    assert server.set_project({"datumTries": 9}) == []
    assert server.inspect("p", "other").version == 1

    assert server.set_project({"datumTries": 9}, regenerate=True) == ["p"]
    info = server.inspect("p", "other")
    assert (info.version, info.details.datum_tries, info.details.salt) == (2, 9, salt)
    assert info.details.created_at == first.created_at
    assert info.details.updated_at.ToNanoseconds() > first.updated_at.ToNanoseconds()
    assert server.inspect("q", "other").version == 1

    assert server.set_project({"datumTries": 8}, regenerate=True, reprocess=True) == ["p"]
    assert server.inspect("p", "other").details.salt != salt


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "invalid cluster defaults JSON"),
        ("[]", "invalid cluster defaults JSON"),
        ('{"createPipelineRequest": {"nope": 1}}', "nope"),
        ('{"datumTries": 1}', "datumTries"),
        ('{"createPipelineRequest": {"reprocessSpec": "x"}}', "every_job"),
    ],
)
def test_what_are_no_defaults_is_refused(server: Server, text: str, part: str) -> None:
    request = pps_pb2.SetClusterDefaultsRequest(cluster_defaults_json=text)
    with pytest.raises(grpc.RpcError) as error:
        server.pps.SetClusterDefaults(request)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert part in (error.value.details() or "")


def test_a_project_tells_its_defaults_and_forgets_them_when_it_goes(server: Server) -> None:
    project = pfs_pb2.Project(name="short-lived")
    request = pps_pb2.SetProjectDefaultsRequest(
        project=project, project_defaults_json='{"createPipelineRequest": {"datumTries": 2}}'
    )
    server.pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=project))
    server.pps.SetProjectDefaults(request)

    def told() -> str:
        return str(
            server.pfs.InspectProjectV2(
                pfs_pb2.InspectProjectV2Request(project=project)
            ).defaults_json
        )

    assert told() == request.project_defaults_json
    server.pfs.DeleteProject(pfs_pb2.DeleteProjectRequest(project=project))
    server.pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=project))
    assert told() == "{}"


def test_defaults_of_a_project_that_is_not_there_are_not_found(server: Server) -> None:
    nowhere = pfs_pb2.Project(name="nowhere")
    with pytest.raises(grpc.RpcError) as error:
        server.pps.GetProjectDefaults(pps_pb2.GetProjectDefaultsRequest(project=nowhere))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def test_zeros_of_a_spec_go_before_defaults_and_are_shown(server: Server) -> None:
    server.set_cluster({"autoscaling": True, "datumTries": 17})
    input_ = {"pfs": {**INPUT["pfs"], "lazy": False}}
    created = server.create(
        "p", autoscaling=False, input={"cross": [input_]}, resource_requests={"cpu": 0}
    )

    info = server.inspect("p")
    assert json.loads(info.effective_spec_json) == created
    assert created["autoscaling"] is False
    assert created["input"]["cross"][0]["pfs"]["lazy"] is False
    assert created["resourceRequests"]["cpu"] == 0
    assert created["datumTries"] == 17
    assert not info.details.autoscaling


def test_what_is_empty_in_a_spec_is_as_if_not_said(server: Server) -> None:
    transform = {"cmd": ["true"], "env": {}, "secrets": [], "stdin": [], "image": None}
    created = server.create("p", transform=transform, metadata={"labels": {}}, description="")
    assert created["transform"]["cmd"] == ["true"]
    assert "env" not in created["transform"]


def test_a_time_that_is_none_is_refused_in_words_for_people(server: Server) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.create("p", datum_timeout="1e400s")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Couldn't parse duration: 1e400s" in (error.value.details() or "")
    assert "literal" not in (error.value.details() or "")
