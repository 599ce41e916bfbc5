"""A small world to call about, so that requests get past the first check; and what is in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, TypeAlias

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue

from pachlocal.proto import (
    pfs_pb2,
    pfs_pb2_grpc,
    pps_pb2,
    pps_pb2_grpc,
    transaction_pb2,
    transaction_pb2_grpc,
)

Json: TypeAlias = dict[str, Any]

_MOST_REPOS = 60  # then the world is made anew: what was made by chance only takes time
_FILES = {"/a": b"one\n", "/b.csv": b"1,2\n" * 40, "/dir/a": b"", "/dir/b/c": b"x" * 100_000}
_FILTERS = ['.state == "JOB_SUCCESS"', '.state == "PIPELINE_RUNNING" or .state == "JOB_FAILURE"']


def _pfs(repo: str, glob: str = "/*", **more: Any) -> Json:
    return {"pfs": {"repo": repo, "glob": glob, **more}}


_DATA, _OTHER = _pfs("data"), _pfs("other", "/")
_JOINED = [
    _pfs("data", "/(*)", join_on="$1", group_by="$1"),
    _pfs("other", "/(*)", join_on="$1", group_by="$1", name="again"),
]
_INPUTS: list[Json] = [
    _DATA,
    {"cross": [_DATA, _OTHER]},
    {"union": [_DATA, _pfs("data", "/dir/*", name="dir")]},
    {"join": _JOINED},
    {"group": _JOINED},
    {"cron": {"name": "tick", "spec": "@yearly"}},
    {"cross": [_DATA, {"cron": {"name": "tick", "spec": "0 0 1 1 *", "overwrite": True}}]},
    _pfs("data", "/", branch="late", trigger={"branch": "master", "commits": 2}),
]
_TRANSFORMS: list[Json] = [
    {"image": "any", "cmd": ["true"]},
    {"image": "any", "cmd": ["sh"], "stdin": ["cp -r /pfs/*/* /pfs/out/ 2>/dev/null; echo done"]},
    {"image": "any", "cmd": ["false"], "err_cmd": ["true"]},
    {
        "image": "any",
        "cmd": ["true"],
        "env": {"A": "b"},
        "accept_return_code": [0, 1],
        "secrets": [{"name": "sesame", "key": "key", "env_var": "KEY"}],
    },
]
_STANDING = {  # pipelines that are always there
    "copies": (_TRANSFORMS[1], _DATA),
    "crossed": (_TRANSFORMS[0], _INPUTS[1]),
    "fails": ({"image": "any", "cmd": ["false"]}, _pfs("copies")),
    "ticks": (_TRANSFORMS[0], _INPUTS[5]),
}


class World:
    """What a daemon holds.

    Attributes:
        names: By the name of a field, with or without that of its message: values that get on.
    """

    def __init__(self, channel: grpc.Channel, random: Random) -> None:
        self.names: dict[str, list[str]] = {}
        self._found: dict[str, list[Message]] = {}
        self._random = random
        self._pfs = pfs_pb2_grpc.APIStub(channel)
        self._pps = pps_pb2_grpc.APIStub(channel)
        self._transactions = transaction_pb2_grpc.APIStub(channel)
        self.refresh()

    def refresh(self) -> None:
        """Makes what is missing, and learns the names of what there is."""
        if len(list(self._pfs.ListRepo(pfs_pb2.ListRepoRequest()))) > _MOST_REPOS:
            self._clear()
        self._make()
        self._learn()

    def example(self, kind: str) -> Message | None:
        """Returns a message that fits, where one made field by field hardly would."""
        if found := self._found.get(kind):
            return copy.deepcopy(self._random.choice(found))
        make: dict[str, Callable[[], Message]] = {
            "pps_v2.CreatePipelineRequest": lambda: ParseDict(
                self.spec(), pps_pb2.CreatePipelineRequest()
            ),
            "pps_v2.Input": lambda: ParseDict(self._random.choice(_INPUTS), pps_pb2.Input()),
            "pps_v2.Transform": lambda: ParseDict(
                self._random.choice(_TRANSFORMS), pps_pb2.Transform()
            ),
        }
        return make[kind]() if kind in make else None

    def spec(self) -> Json:
        """Returns a pipeline's spec."""
        some = self._random.choice
        spec: Json = {
            "pipeline": {"name": some([*_STANDING, "p1", "p2", "p3"])},
            "transform": some(_TRANSFORMS),
            "update": some([True, True, False]),
        }
        kind = some(["plain"] * 6 + ["spout", "service"])
        if kind == "spout":
            spec.update(spout={}, transform={"image": "any", "cmd": ["sleep", "60"]})
            return spec
        spec["input"] = some(_INPUTS)
        if kind == "service":
            port = some(range(20_000, 30_000))
            spec["service"] = {"internal_port": port, "external_port": port + 1}
            spec["transform"] = {"image": "any", "cmd": ["sleep", "60"]}
        else:
            spec.update(
                some([{}, {"datum_tries": 1}, {"datum_timeout": "10s"}, {"autoscaling": True}])
            )
        return spec

    def secret(self) -> Json:
        """Returns a secret, as Kubernetes has them."""
        name = self._random.choice(["sesame", "s1", "s2"])
        return {"kind": "Secret", "metadata": {"name": name}, "stringData": {"key": "value"}}

    def _clear(self) -> None:
        self._transactions.DeleteAll(transaction_pb2.DeleteAllRequest())
        self._pps.DeleteAll(Empty())
        self._pfs.DeleteAll(Empty())

    def _make(self) -> None:
        listed = self._pfs.ListProject(pfs_pb2.ListProjectRequest())
        for name in {"default", "side"} - {info.project.name for info in listed}:
            project = pfs_pb2.Project(name=name)
            self._pfs.CreateProject(pfs_pb2.CreateProjectRequest(project=project))
        for name in ("data", "other"):
            repo = pfs_pb2.Repo(name=name)
            self._pfs.CreateRepo(pfs_pb2.CreateRepoRequest(repo=repo, update=True))
            branch = pfs_pb2.Branch(repo=repo, name="master")
            head = _answered(self._pfs.InspectBranch, pfs_pb2.InspectBranchRequest(branch=branch))
            if head is None:
                self._put(repo)
                self._put(repo)
                branch = pfs_pb2.Branch(repo=repo, name="open")
                _answered(self._pfs.StartCommit, pfs_pb2.StartCommitRequest(branch=branch))
        secret = json.dumps(self.secret()).encode()
        _answered(self._pps.CreateSecret, pps_pb2.CreateSecretRequest(file=secret))
        for name, (transform, input_) in _STANDING.items():
            spec = {"pipeline": {"name": name}, "transform": transform, "input": input_}
            _answered(self._pps.CreatePipeline, ParseDict(spec, pps_pb2.CreatePipelineRequest()))

    def _put(self, repo: pfs_pb2.Repo) -> None:
        requests = [pfs_pb2.ModifyFileRequest(set_commit=pfs_pb2.Commit(repo=repo, id="master"))]
        for path, content in _FILES.items():
            add = pfs_pb2.AddFile(path=path, raw=BytesValue(value=content))
            requests.append(pfs_pb2.ModifyFileRequest(add_file=add))
        _answered(self._pfs.ModifyFile, iter(requests))

    def _learn(self) -> None:
        repos = list(self._pfs.ListRepo(pfs_pb2.ListRepoRequest()))
        commits = list(self._pfs.ListCommit(pfs_pb2.ListCommitRequest(number=30, all=True)))
        jobs = list(self._pps.ListJob(pps_pb2.ListJobRequest(number=30)))
        datums = [
            info.datum
            for job in jobs[:5]
            for info in _listed(self._pps.ListDatum(pps_pb2.ListDatumRequest(job=job.job)))
        ]
        heads = [
            pfs_pb2.Branch(repo=pfs_pb2.Repo(name=repo), name=branch)
            for repo in ("data", "other")
            for branch in ("master", "open", "late")
        ]
        self._found = {
            "pfs_v2.Repo": [*(head.repo for head in heads), *(info.repo for info in repos)],
            "pfs_v2.Branch": [*heads, *(branch for info in repos for branch in info.branches)],
            "pfs_v2.Commit": [
                *(pfs_pb2.Commit(repo=head.repo, id=head.name) for head in heads),
                *(info.commit for info in commits),
            ],
            "pps_v2.Job": [job.job for job in jobs],
            "pps_v2.Datum": [*datums],
        }
        pending = self._transactions.ListTransaction(transaction_pb2.ListTransactionRequest())
        transactions = [info.transaction.id for info in pending.transaction_info]
        if not transactions:
            started = self._transactions.StartTransaction(transaction_pb2.StartTransactionRequest())
            transactions = [started.id]
        file_sets = [self._pfs.CreateFileSet(iter(())).file_set_id for _ in range(2)]
        ids = [info.commit.id for info in commits]
        repo_names = _some(["data", "other"], (info.repo.name for info in repos))
        pipelines = _some(
            _STANDING,
            (info.pipeline.name for info in self._pps.ListPipeline(pps_pb2.ListPipelineRequest())),
        )
        branches = ["master", "open", "master^", "late", "left"]
        self.names = {
            "Project.name": ["default", "default", "side", ""],
            "ProjectPicker.name": ["default"],
            "Pipeline.project": ["default"],
            "File.datum": ["", "", "", "writer"],
            "project": ["default", ""],
            "Repo.name": repo_names,
            "RepoName.name": ["data", "other"],
            "repo": repo_names,
            "Repo.type": ["user", "", "meta", "spec"],
            "RepoName.type": ["user", ""],
            "type": ["user", "", "Opaque"],
            "Branch.name": branches,
            "BranchName.name": branches,
            "branch": branches,
            "Commit.id": [*branches, *ids],
            "CommitByGlobalId.id": ids,
            "CommitSet.id": ids,
            "Job.id": [job.job.id for job in jobs] or ids,
            "JobSet.id": [job.job.id for job in jobs] or ids,
            "Datum.id": [datum.id for datum in datums] or ["00" * 32],
            "datum_id": [datum.id for datum in datums] or ["00" * 32],
            "Pipeline.name": [*pipelines, "p1", "p2"],
            "PipelineName.name": [*pipelines],
            "Secret.name": ["sesame", "s1"],
            "SecretMount.name": ["sesame"],
            "Transaction.id": transactions,
            "file_set_id": file_sets,
            "file_set_ids": file_sets,
            "path": [*_FILES, "/", "/dir", "/new"],
            "file_path": [*_FILES, "/"],
            "dst": ["/copied", "/dir/copied"],
            "pattern": ["/*", "/**", "/dir/*", "/"],
            "glob": ["/*", "/", "/(*)"],
            "jqFilter": ["", *_FILTERS],
            "Profile.name": ["goroutine", "cpu"],
            "URL": ["", "", "http://127.0.0.1:1/none", "file:///none"],
        }


def _some(always: Iterable[str], found: Iterable[str]) -> list[str]:
    return [*always, *sorted(set(found))[:20]]


def _answered(call: Callable[[Any], Any], request: object) -> Any:
    """Makes a call; None when it is refused, as what is there already is."""
    try:
        return call(request)
    except grpc.RpcError:
        return None


def _listed(answers: Iterable[Any]) -> list[Any]:
    """Returns a stream's messages; none when it is refused, as a job may be gone by now."""
    try:
        return list(answers)
    except grpc.RpcError:
        return []
