"""What clients in the field send and read. A failure here means they can't talk to us any more."""

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, ServiceDescriptor

from pachlocal.proto import (
    admin_pb2,
    license_pb2,
    pfs_pb2,
    pps_pb2,
    transaction_pb2,
    version_pb2,
    worker_pb2,
)


def numbers(message: Descriptor) -> dict[str, int]:
    return {field.name: field.number for field in message.fields}


def values(enum: EnumDescriptor) -> dict[str, int]:
    return {value.name: value.number for value in enum.values}


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (admin_pb2.DESCRIPTOR.services_by_name["API"], "admin_v2.API"),
        (license_pb2.DESCRIPTOR.services_by_name["API"], "license_v2.API"),
        (pfs_pb2.DESCRIPTOR.services_by_name["API"], "pfs_v2.API"),
        (pps_pb2.DESCRIPTOR.services_by_name["API"], "pps_v2.API"),
        (transaction_pb2.DESCRIPTOR.services_by_name["API"], "transaction_v2.API"),
        (version_pb2.DESCRIPTOR.services_by_name["API"], "versionpb_v2.API"),
        (worker_pb2.DESCRIPTOR.services_by_name["Worker"], "pachyderm.worker.Worker"),
    ],
)
def test_services_are_called_by_these_names(service: ServiceDescriptor, name: str) -> None:
    assert service.full_name == name


@pytest.mark.parametrize(
    ("method", "streams"),
    [
        ("ModifyFile", (True, False)),
        ("CreateFileSet", (True, False)),
        ("GetFile", (False, True)),
        ("GetFileTAR", (False, True)),
        ("ListRepo", (False, True)),
        ("InspectCommitSet", (False, True)),
        ("StartCommit", (False, False)),
    ],
)
def test_pfs_calls_stream_where_clients_do(method: str, streams: tuple[bool, bool]) -> None:
    service = pfs_pb2.DESCRIPTOR.services_by_name["API"]
    found = service.methods_by_name[method]
    assert (found.client_streaming, found.server_streaming) == streams


def test_datums_are_created_in_a_dialogue() -> None:
    found = pps_pb2.DESCRIPTOR.services_by_name["API"].methods_by_name["CreateDatum"]
    assert (found.client_streaming, found.server_streaming) == (True, True)


def test_a_commit_has_both_the_old_and_the_new_way_to_name_its_repo() -> None:
    assert numbers(pfs_pb2.Commit.DESCRIPTOR) == {"branch": 1, "id": 2, "repo": 3}
    # What a 2.7 client sends for the head of default/training@master.
    sent = b"\x0a\x25\x0a\x1b\x0a\x08training\x12\x04user\x1a\x09\x0a\x07default\x12\x06master"
    commit = pfs_pb2.Commit.FromString(sent)
    assert commit.branch.repo.project.name == "default"
    assert (commit.branch.repo.name, commit.branch.name) == ("training", "master")
    assert not commit.HasField("repo")


def test_names_are_spread_over_these_fields() -> None:
    assert numbers(pfs_pb2.Repo.DESCRIPTOR) == {"name": 1, "type": 2, "project": 3}
    assert numbers(pfs_pb2.File.DESCRIPTOR) == {"commit": 1, "path": 2, "datum": 3}
    assert numbers(pps_pb2.Pipeline.DESCRIPTOR) == {"name": 1, "project": 2}
    assert numbers(pps_pb2.Job.DESCRIPTOR) == {"pipeline": 1, "id": 2}


def test_commit_states() -> None:
    assert values(pfs_pb2.CommitState.DESCRIPTOR) == {
        "COMMIT_STATE_UNKNOWN": 0,
        "STARTED": 1,
        "READY": 2,
        "FINISHING": 3,
        "FINISHED": 4,
    }


def test_origins_and_file_types() -> None:
    origins = {"ORIGIN_KIND_UNKNOWN": 0, "USER": 1, "AUTO": 2, "FSCK": 3}
    assert values(pfs_pb2.OriginKind.DESCRIPTOR) == origins
    assert values(pfs_pb2.FileType.DESCRIPTOR) == {"RESERVED": 0, "FILE": 1, "DIR": 2}


def test_job_states() -> None:
    assert values(pps_pb2.JobState.DESCRIPTOR) == {
        "JOB_STATE_UNKNOWN": 0,
        "JOB_CREATED": 1,
        "JOB_STARTING": 2,
        "JOB_RUNNING": 3,
        "JOB_FAILURE": 4,
        "JOB_SUCCESS": 5,
        "JOB_KILLED": 6,
        "JOB_EGRESSING": 7,
        "JOB_FINISHING": 8,
        "JOB_UNRUNNABLE": 9,
    }


def test_pipeline_states_and_types() -> None:
    assert values(pps_pb2.PipelineState.DESCRIPTOR) == {
        "PIPELINE_STATE_UNKNOWN": 0,
        "PIPELINE_STARTING": 1,
        "PIPELINE_RUNNING": 2,
        "PIPELINE_RESTARTING": 3,
        "PIPELINE_FAILURE": 4,
        "PIPELINE_PAUSED": 5,
        "PIPELINE_STANDBY": 6,
        "PIPELINE_CRASHING": 7,
    }
    assert values(pps_pb2.PipelineInfo.PipelineType.DESCRIPTOR) == {
        "PIPELINT_TYPE_UNKNOWN": 0,
        "PIPELINE_TYPE_TRANSFORM": 1,
        "PIPELINE_TYPE_SPOUT": 2,
        "PIPELINE_TYPE_SERVICE": 3,
    }


def test_datum_states() -> None:
    assert values(pps_pb2.DatumState.DESCRIPTOR) == {
        "UNKNOWN": 0,
        "FAILED": 1,
        "SUCCESS": 2,
        "SKIPPED": 3,
        "STARTING": 4,
        "RECOVERED": 5,
    }


def test_a_change_is_one_of_four() -> None:
    body = pfs_pb2.ModifyFileRequest.DESCRIPTOR.oneofs_by_name["body"]
    assert {field.name: field.number for field in body.fields} == {
        "set_commit": 1,
        "add_file": 2,
        "delete_file": 3,
        "copy_file": 4,
    }


def test_transactions_take_pipelines_of_old_and_new_clients() -> None:
    pipeline = pps_pb2.CreatePipelineRequest(pipeline=pps_pb2.Pipeline(name="model"))
    old = transaction_pb2.TransactionRequest(create_pipeline=pipeline)
    stored = pps_pb2.CreatePipelineTransaction(create_pipeline_request=pipeline)
    new = transaction_pb2.TransactionRequest(create_pipeline_v2=stored)
    assert [field.number for message in (old, new) for field, _ in message.ListFields()] == [9, 11]


def test_log_messages_carry_the_project_last() -> None:
    assert numbers(pps_pb2.LogMessage.DESCRIPTOR) == {
        "pipeline_name": 1,
        "job_id": 2,
        "worker_id": 3,
        "datum_id": 4,
        "master": 5,
        "data": 6,
        "user": 7,
        "ts": 8,
        "message": 9,
        "project_name": 10,
    }


def test_a_specification_reads_as_json_in_either_spelling() -> None:
    snake = """{"pipeline": {"name": "model"}, "transform": {"cmd": ["python3"]},
        "parallelism_spec": {"constant": "1"}, "job_timeout": "300s",
        "input": {"pfs": {"repo": "training", "glob": "/", "join_on": "$1"}}}"""
    camel = """{"pipeline": {"name": "model"}, "transform": {"cmd": ["python3"]},
        "parallelismSpec": {"constant": 1}, "jobTimeout": "300s",
        "input": {"pfs": {"repo": "training", "glob": "/", "joinOn": "$1"}}}"""
    read = json_format.Parse(snake, pps_pb2.CreatePipelineRequest())
    assert read == json_format.Parse(camel, pps_pb2.CreatePipelineRequest())
    assert read.parallelism_spec.constant == 1
    assert read.job_timeout.seconds == 300


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pps_pb2.Egress.DESCRIPTOR, "URL"),
        (pfs_pb2.GetFileRequest.DESCRIPTOR, "URL"),
        (pfs_pb2.AddFile.URLSource.DESCRIPTOR, "URL"),
        (pfs_pb2.ListFileRequest.DESCRIPTOR, "paginationMarker"),
        (pps_pb2.ListJobRequest.DESCRIPTOR, "jqFilter"),
    ],
)
def test_some_names_are_not_in_snake_case(message: Descriptor, field: str) -> None:
    assert message.fields_by_name[field].json_name == field
