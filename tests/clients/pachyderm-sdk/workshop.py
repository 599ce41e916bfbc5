"""The Iris workshop by pachyderm-sdk: workshop.py HOST PORT, against an empty server."""

import sys

import betterproto
from facts import ATTRIBUTES, INFER_SPEC, LDA, SHORTER_TRAINING, SPECIES, SVM, TRAIN_SPEC, TRAINING
from pachyderm_sdk import Client
from pachyderm_sdk.api import pfs, pps


def main(client: Client) -> None:
    # 1. Repos
    for name in ("training", "attributes"):
        client.pfs.create_repo(repo=pfs.Repo(name=name))
    assert {info.repo.name for info in client.pfs.list_repo()} == {"training", "attributes"}

    # 2. The training set
    with client.pfs.commit(branch=pfs.Branch.from_uri("training@master")) as commit:
        commit.put_file_from_bytes(path="/iris.csv", data=TRAINING)
    (info,) = client.pfs.list_file(file=file("training", "/"))
    assert (info.file.path, info.size_bytes) == ("/iris.csv", len(TRAINING))

    # 3. The model
    create(client, pps.CreatePipelineRequest().from_json(TRAIN_SPEC))
    job = ended(client, "model")
    assert (job.data_processed, job.data_total) == (1, 1)
    assert b"150" in read(client, file("model", "/model.txt"))
    first_model, first_model_commit = read(client, file("model", "/model.pkl")), job.output_commit

    # 4. Attributes
    with client.pfs.commit(branch=pfs.Branch.from_uri("attributes@master")) as commit:
        for name, content in ATTRIBUTES.items():
            commit.put_file_from_bytes(path=f"/{name}", data=content)

    # 5. Inference
    request = pps.CreatePipelineRequest().from_json(INFER_SPEC)
    create(client, request)
    assert ended(client, "inference").data_processed == len(ATTRIBUTES)

    # 6. Its results
    assert results(client) == SPECIES
    repo = client.pfs.inspect_repo(repo=pfs.Repo(name="inference"))
    assert repo.details.size_bytes == 100

    # 7. Ten workers: nothing has to be processed again
    request.parallelism_spec.constant = 10
    request.update = True
    create(client, request)
    job = ended(client, "inference")
    assert (job.data_processed, job.data_skipped) == (0, len(ATTRIBUTES))
    assert job.details.parallelism_spec.constant == 10
    info = client.pps.inspect_pipeline(pipeline=pps.Pipeline(name="inference"), details=True)
    assert (info.parallelism, info.details.workers_requested) == (10, 10)
    assert info.details.workers_available == 10

    # 8. Another model: inference runs again
    request = pps.CreatePipelineRequest().from_json(TRAIN_SPEC.replace(SVM, LDA))
    request.update = request.reprocess = True
    create(client, request)
    job = ended(client, "model")
    assert job.details.transform.image == LDA
    assert ended(client, "inference", job.job.id).data_processed == len(ATTRIBUTES)
    assert read(client, file("model", "/model.pkl")) != first_model
    assert results(client) == SPECIES

    # 9. Another training set: both run again
    with client.pfs.commit(branch=pfs.Branch.from_uri("training@master")) as commit:
        commit.delete_file(path="/iris.csv")
        commit.put_file_from_bytes(path="/iris.csv", data=SHORTER_TRAINING)
    members = {info.commit.repo.name for info in commit.wait_all()}
    assert {"training", "attributes", "model", "inference"} <= members
    assert ended(client, "model", commit.id).data_processed == 1
    assert ended(client, "inference", commit.id).data_processed == len(ATTRIBUTES)
    assert read(client, file("training", "/iris.csv")) == SHORTER_TRAINING
    assert results(client) == SPECIES

    # 10. What the newest results were made from
    newest = client.pfs.inspect_commit(commit=pfs.Commit.from_uri("inference@master"))
    heads = {
        repo: client.pfs.inspect_branch(branch=pfs.Branch.from_uri(f"{repo}@master")).head.id
        for repo in ("attributes", "model")
    }
    provenance = {
        source.repo.name: source.id
        for source in newest.direct_provenance
        if source.repo.type == "user"
    }
    assert newest.commit.id == commit.id == heads["model"]
    assert provenance == heads

    # 11. The old model
    assert read(client, pfs.File(commit=first_model_commit, path="/model.pkl")) == first_model


def create(client: Client, request: pps.CreatePipelineRequest) -> None:
    """Sends a whole request; the client's method takes its fields one by one."""
    given = request.to_dict(casing=betterproto.Casing.SNAKE)
    client.pps.create_pipeline(**{name: getattr(request, name) for name in given})


def ended(client: Client, name: str, id_: str = "") -> pps.JobInfo:
    """Waits for a pipeline's job, the newest unless an ID is given; it has to succeed."""
    pipeline = pps.Pipeline(name=name)
    id_ = id_ or next(client.pps.list_job(pipeline=pipeline)).job.id
    job = pps.Job(pipeline=pipeline, id=id_)
    info = client.pps.inspect_job(job=job, wait=True, details=True)
    assert info.state == pps.JobState.JOB_SUCCESS, info
    return info


def file(repo: str, path: str) -> pfs.File:
    return pfs.File.from_uri(f"{repo}@master:{path}")


def read(client: Client, wanted: pfs.File) -> bytes:
    with client.pfs.pfs_file(file=wanted) as content:
        return content.read()


def results(client: Client) -> dict[str, bytes]:
    files = [info.file for info in client.pfs.list_file(file=file("inference", "/"))]
    return {one.path.lstrip("/"): read(client, one) for one in files}


if __name__ == "__main__":
    main(Client(host=sys.argv[1], port=int(sys.argv[2])))
