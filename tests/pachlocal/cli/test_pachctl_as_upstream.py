"""Commands and texts that scripts for Pachyderm's own pachctl count on."""

import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pachctl_fake import FakeServer
from walkthrough.machine import Daemon

from pachlocal.proto import pfs_pb2


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("license get-state", 0, "Deprecated. Please don't use."),
        ("enterprise register --id 1", 0, "Deprecated. Please don't use."),
        ("kube-events --since 1h", 1, "kubectl get events"),
        ("loki query --since 1h", 1, "pachctl logs"),
        ("mount -w /tmp/x", 1, "get file"),
        ("config import-kube kind -o", 1, "pachctl connect"),
        ("list snapshots --raw", 1, "pachlocal export"),
        ("debug log-level debug -d 5m", 1, "pachlocal status"),
        ("create pipeline -p -u me -f x.json", 2, "docker push"),
        ("exit", 0, ""),
    ],
)
def test_what_is_left_to_upstream_says_what_to_do(
    pachctl: Any, words: str, code: int, said: str
) -> None:
    outcome = pachctl(*words.split())
    assert outcome.code == code
    assert said in outcome.out + outcome.err


def test_specifications_are_read_from_urls(pachctl: Any, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"pipeline": {"name": "p"}}')
    (tmp_path / "bad.json").write_text('{"pipeline": {')
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert pachctl("validate", "pipeline", "-f", f"{url}/p.json") == (0, "", "")
            assert (
                f"pachctl: {url}/bad.json:1:"
                in pachctl("validate", "pipeline", "-f", f"{url}/bad.json").err
            )
            missing = pachctl("create", "pipeline", "-f", f"{url}/no.json")
            assert missing == (1, "", f"pachctl: {url}/no.json: 404 File not found\n")
        finally:
            server.shutdown()
    assert "refused" in pachctl("create", "pipeline", "-f", f"{url}/p.json").err


def test_topics_and_plurals_have_the_same_help(pachctl: Any) -> None:
    branch = pachctl("branch", "-h")
    assert branch.code == 0
    assert "  inspect branch  Describe a branch." in branch.out
    assert pachctl("branches").out == pachctl("help", "branch").out == branch.out
    assert "update defaults" in pachctl("defaults").out
    assert pachctl("list", "branches", "-h").out == pachctl("list", "branch", "-h").out
    wrong = pachctl("pipelines", "list")
    assert (wrong.code, 'Did you mean "list pipeline"?' in wrong.err) == (2, True)


def test_settings_of_upstreams_pachctl_are_kept(pachctl: Any) -> None:
    assert pachctl("connect", "grpc://127.0.0.1:1", "--alias", "here").code == 0
    assert pachctl("config", "get", "metrics").out == "false\n"
    assert pachctl("config", "set", "metrics", "true") == (0, "", "")
    assert pachctl("config", "get", "metrics").out == "true\n"
    assert pachctl("config", "get", "active-enterprise-context").out == "here\n"
    assert pachctl("config", "set", "active-enterprise-context", "there").code == 1


def test_options_that_change_nothing_are_taken(pachctl: Any, fake: FakeServer) -> None:
    fake.answers |= {"GlobFile": [], "InspectBranch": pfs_pb2.BranchInfo(), "DiffFile": []}
    for words in ("glob file r@b:/*", "inspect branch r@b", "diff file r@b:/"):
        assert pachctl(*words.split(), "--full-timestamps").code == 0


def test_a_servers_answers_are_put_in_words(daemon: Daemon, tmp_path: Path) -> None:
    """One daemon, for all that asks one."""

    def run(words: str, stdin: str = "") -> tuple[int, str]:
        done = daemon.run("pachctl", *words.split(), stdin=stdin)
        return done.returncode, done.stdout + done.stderr

    assert run("auth whoami") == (1, "pachctl: the auth service is not activated\n")
    assert run("restart cluster -r why")[0] == 1
    assert run("version --compare --timeout 20s")[0] == 1

    script = "create repo r\n\npachctl put file r@master:/d/f\n"
    assert run("shell", "create repo r  # a note\ncreate repo 'r\n")[0] == 1
    assert run("shell", "list repo\nexit\nfrobnicate\n")[0] == 0
    assert run("put file r@master:/d/f", script)[0] == 0
    assert "Try again with the -r flag" in run("get file r@master:/d")[1]

    spec = (
        '{\n\t"pipeline": {"name": "p",},\n\t"transform": {"image": "none:1", "cmd": ["true"]},\n'
        '\t"input": {"pfs": {"repo": "r", "glob": "/"}},\n}\n'
    )
    assert run("create pipeline", spec) == (0, "")
    code, text = run("create pipeline", '{\n"a": "b\n}')
    assert (code, "malformed pipeline spec: standard input:2:" in text) == (1, True)
    code, drawn = run("draw pipeline")
    assert (code, drawn.splitlines()[5]) == (0, "│ p │")

    dump, template = tmp_path / "dump.tgz", tmp_path / "template.yaml"
    assert run(f"debug template {template}") == (0, "")
    assert run(f"debug dump -t {template} {dump}") == (0, "")
    with tarfile.open(dump) as tar:
        names = tar.getnames()
    assert {"version.txt", "database.json", "pipelines/default/p/spec.json"} <= {*names}
    assert [name for name in names if name.endswith("/commits.json")] == [
        "pipelines/default/p/commits.json",
        "source-repos/default/r/commits.json",
    ]
    template.write_text("system: {version: true}\n")
    assert run(f"debug dump --template {template} {dump}") == (0, "")
    with tarfile.open(dump) as tar:
        assert tar.getnames() == ["version.txt"]
    profile = tmp_path / "profile.tgz"
    assert run(f"debug profile goroutine --pachd {profile}") == (0, "")
    with tarfile.open(profile) as tar:
        assert tar.getnames() == ["pachlocal/goroutine.txt"]
    assert run(f"debug profile heap {profile}")[0] == 1

    assert run("delete pipeline p")[0] == 0
    assert run("delete repo r") == (0, "Repo deleted.\n")
