"""pachctl's commands on defaults, with a daemon that merges them into specifications."""

import json

from walkthrough.machine import Daemon


def test_defaults_are_set_shown_and_deleted(daemon: Daemon) -> None:
    def create(name: str) -> None:
        spec = {
            "pipeline": {"name": name},
            "transform": {"cmd": ["true"], "image": "none:1"},
            "input": {"pfs": {"repo": "in", "glob": "/"}},
        }
        daemon.pachctl("create", "pipeline", stdin=json.dumps(spec))

    def tries(name: str) -> str:
        shown = json.loads(daemon.pachctl("inspect", "pipeline", name, "--raw"))
        return str(shown["details"]["datum_tries"])

    daemon.pachctl("create", "repo", "in")
    create("p")
    given = "create_pipeline_request:\n  datumTries: 14  # read as YAML\n"
    kept = '{"create_pipeline_request":{"datumTries":14}}'

    assert "256Mi" in daemon.pachctl("inspect", "default", "--cluster")
    assert daemon.pachctl("create", "defaults", "--cluster", stdin=given) == ""
    assert daemon.pachctl("inspect", "defaults", "--cluster") == f"{kept}\n"
    create("q")
    assert (tries("p"), tries("q")) == ("3", "14")

    project = ("--project", "default")
    five = '{"createPipelineRequest":{"datumTries":5}}'
    dry = daemon.pachctl("update", "defaults", *project, "--regenerate", "--dry-run", stdin=five)
    assert dry == "affected pipelines:\n\t default/p\n\t default/q\n"
    assert daemon.pachctl("inspect", "defaults", *project) == "{}\n"
    assert daemon.pachctl("update", "defaults", *project, "--reprocess", stdin=five) == dry
    assert (tries("p"), tries("q")) == ("5", "5")
    assert f"Defaults: {five}\n" in daemon.pachctl("inspect", "project", "default")

    assert daemon.pachctl("delete", "defaults", *project, "--regenerate") == dry
    assert (tries("p"), tries("q")) == ("14", "14")
    again = daemon.pachctl("delete", "defaults", *project, "--regenerate")
    assert again == "no affected pipelines\n"


def test_a_specification_without_image_command_or_input_is_taken_with_a_warning(
    daemon: Daemon,
) -> None:
    daemon.pachctl("create", "repo", "in")
    daemon.pachctl("put", "file", "in@master:/a", stdin="text")
    other_code = (
        "note: p runs other code now, but data that it has processed before is not processed "
        "again; --reprocess does that"
    )
    input_ = {"pfs": {"repo": "in", "glob": "/"}}

    def create(**spec: object) -> list[str]:
        text = json.dumps({"pipeline": {"name": "p"}, **spec})
        run = daemon.run("pachctl", "update", "pipeline", stdin=text)
        assert run.returncode == 0
        return run.stderr.splitlines()

    assert create(transform={"cmd": ["true"]}, input=input_) == [
        "warning: transform.image is missing, so that ubuntu:20.04 runs its commands"
    ]
    assert create(transform={"cmd": ["true"], "image": "none:1"}) == [
        "warning: input is missing, so that there is nothing to work on",
        other_code,
    ]
    assert create(transform={"image": "none:1"}, input=input_) == [
        "warning: transform.cmd is missing, so that the pipeline fails",
        other_code,
    ]
    daemon.pachctl("put", "file", "in@master:/b", stdin="text")
    assert '"PIPELINE_FAILURE"' in daemon.pachctl("inspect", "pipeline", "p", "--raw")
    killed = daemon.run("pachctl", "list", "job", "-p", "p", "--raw").stdout
    assert killed.count("JOB_KILLED") == killed.count("nothing to run: no transform.cmd") > 0
    assert create(transform={"image": "none:1", "cmd": ["true"]}, input=input_) == [other_code]
    assert '"PIPELINE_RUNNING"' in daemon.pachctl("inspect", "pipeline", "p", "--raw")


def test_what_are_no_defaults_is_refused_by_its_field(daemon: Daemon) -> None:
    wrong = daemon.run(
        "pachctl", "create", "defaults", "--cluster", stdin='{"createPipelineRequest":{"nme":1}}'
    )
    both = daemon.run("pachctl", "inspect", "defaults", "--cluster", "--project", "default")
    neither = daemon.run("pachctl", "inspect", "defaults")

    assert "createPipelineRequest.nme: no such field" in wrong.stderr
    for refused in (both, neither):
        assert refused.returncode == 2
        assert "either --cluster or --project" in refused.stderr
