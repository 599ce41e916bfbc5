"""The Iris workshop by python-pachyderm: workshop.py HOST PORT, against an empty server."""

import sys

import python_pachyderm
from facts import ATTRIBUTES, INFER_SPEC, LDA, SHORTER_TRAINING, SPECIES, SVM, TRAIN_SPEC, TRAINING
from python_pachyderm.service import pps_proto


def main(client: python_pachyderm.Client) -> None:
    # 1. Repos
    for repo in ("training", "attributes"):
        client.create_repo(repo)
    assert {info.repo.name for info in client.list_repo()} == {"training", "attributes"}

    # 2. The training set
    client.put_file_bytes(("training", "master"), "iris.csv", TRAINING)
    (info,) = client.list_file(("training", "master"), "/")
    assert (info.file.path, info.size_bytes) == ("/iris.csv", len(TRAINING))

    # 3. The model
    client.create_pipeline_from_request(python_pachyderm.parse_json_pipeline_spec(TRAIN_SPEC))
    job = ended(client, "model")
    assert (job.data_processed, job.data_total) == (1, 1)
    assert b"150" in read(client, "model", "model.txt")
    first_model, first_model_commit = read(client, "model", "model.pkl"), job.output_commit

    # 4. Attributes
    with client.modify_file_client(("attributes", "master")) as files:
        for name, content in ATTRIBUTES.items():
            files.put_file_from_bytes(name, content)

    # 5. Inference
    request = python_pachyderm.parse_json_pipeline_spec(INFER_SPEC)
    client.create_pipeline_from_request(request)
    assert ended(client, "inference").data_processed == len(ATTRIBUTES)

    # 6. Its results
    assert results(client) == SPECIES
    assert client.inspect_repo("inference").details.size_bytes == 100

    # 7. Ten workers: nothing has to be processed again
    request.parallelism_spec.constant = 10
    request.update = True
    client.create_pipeline_from_request(request)
    job = ended(client, "inference")
    assert (job.data_processed, job.data_skipped) == (0, len(ATTRIBUTES))
    assert job.details.parallelism_spec.constant == 10
    (pipeline,) = client.inspect_pipeline("inference", details=True)
    assert (pipeline.parallelism, pipeline.details.workers_requested) == (10, 10)
    assert pipeline.details.workers_available == 10

    # 8. Another model: inference runs again
    request = python_pachyderm.parse_json_pipeline_spec(TRAIN_SPEC.replace(SVM, LDA))
    request.update = request.reprocess = True
    client.create_pipeline_from_request(request)
    job = ended(client, "model")
    assert job.details.transform.image == LDA
    assert ended(client, "inference", job.job.id).data_processed == len(ATTRIBUTES)
    assert read(client, "model", "model.pkl") != first_model
    assert results(client) == SPECIES

    # 9. Another training set: both run again
    with client.commit("training", "master") as commit:
        client.delete_file(commit, "iris.csv")
        client.put_file_bytes(commit, "iris.csv", SHORTER_TRAINING)
    members = {info.commit.branch.repo.name for info in client.wait_commit(commit.id)}
    assert {"training", "attributes", "model", "inference"} <= members
    assert ended(client, "model", commit.id).data_processed == 1
    assert ended(client, "inference", commit.id).data_processed == len(ATTRIBUTES)
    assert read(client, "training", "iris.csv") == SHORTER_TRAINING
    assert results(client) == SPECIES

    # 10. What the newest results were made from
    (info,) = client.inspect_commit(("inference", "master"))
    heads = {
        repo: client.inspect_branch(repo, "master").head.id for repo in ("attributes", "model")
    }
    provenance = {
        source.branch.repo.name: source.id
        for source in info.direct_provenance
        if source.branch.repo.type == "user"
    }
    assert info.commit.id == commit.id == heads["model"]
    assert provenance == heads

    # 11. The old model
    old = (first_model_commit.branch.repo.name, first_model_commit.id)
    with client.get_file(old, "model.pkl") as file:
        assert file.read() == first_model


def ended(client: python_pachyderm.Client, pipeline: str, id_: str = "") -> pps_proto.JobInfo:
    """Waits for a pipeline's job, the newest unless an ID is given; it has to succeed."""
    id_ = id_ or next(client.list_job(pipeline)).job.id
    (info,) = client.inspect_job(id_, pipeline, wait=True, details=True)
    assert info.state == pps_proto.JobState.JOB_SUCCESS, info
    return info


def read(client: python_pachyderm.Client, repo: str, path: str) -> bytes:
    with client.get_file((repo, "master"), path) as file:
        return file.read()


def results(client: python_pachyderm.Client) -> dict[str, bytes]:
    paths = [info.file.path for info in client.list_file(("inference", "master"), "/")]
    return {path.lstrip("/"): read(client, "inference", path) for path in paths}


if __name__ == "__main__":
    main(python_pachyderm.Client(host=sys.argv[1], port=int(sys.argv[2])))
