"""Files are where a Dockerfile puts them, as far as it is simple."""

from __future__ import annotations

from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Resources, WorkerSpec
from pachlocal.runtime.dockerfile import read_dockerfile, usable_env
from pachlocal.runtime.image_files import can_be_shown, lay_out
from pachlocal.runtime.process import ProcessRuntime
from pachlocal.runtime.remarks import unfollowed_of
from pachlocal.runtime.stages import Stages

from .processes import taking

APP = "/pachlocal-test-app"  # no machine has it


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = tmp_path / "stage"
    for name in ("main.py", "helpers.py", "lib/deep.py", "lib/more/deeper.py", "edges.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"echo {name}\n")
    return folder


def places(stage: Path, dockerfile: str) -> dict[str, str]:
    (stage / "Dockerfile").write_text(dockerfile)
    return read_dockerfile(stage).places


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("FROM a\nWORKDIR /app\nCOPY . .\n", {"/app": ""}),
        ("FROM a\nWORKDIR /app\nCOPY main.py ./\n", {"/app/main.py": "main.py"}),
        ("FROM a\nADD edges.sh /edges.sh\n", {"/edges.sh": "edges.sh"}),
        ("FROM a\nCOPY edges.sh /\n", {"/edges.sh": "edges.sh"}),
        ("from a\ncopy lib /app/lib\n", {"/app/lib": "lib"}),
        ("FROM a\nWORKDIR /a\nWORKDIR b\nCOPY lib c\n", {"/a/b/c": "lib"}),
        (
            "FROM a\nCOPY --chown=1:1 ma*.py h*.py /app/\n",
            {"/app/main.py": "main.py", "/app/helpers.py": "helpers.py"},
        ),
        ('FROM a\nCOPY ["main.py", "/app/x.py"]\n', {"/app/x.py": "main.py"}),
        ("FROM a\nENV APP=/app\nCOPY main.py ${APP}/\n", {"/app/main.py": "main.py"}),
        ("ARG D=/app\nFROM a\nARG D\nCOPY main.py $D/\n", {"/app/main.py": "main.py"}),
        ("FROM a AS one\nCOPY main.py /x\nFROM a\nCOPY edges.sh /y\n", {"/y": "edges.sh"}),
        (
            "FROM a AS one\nCOPY main.py /x\nFROM one\nCOPY edges.sh /y\n",
            {"/x": "main.py", "/y": "edges.sh"},
        ),
        ("FROM a\nRUN <<EOF\nCOPY main.py /no\nEOF\nCOPY main.py /x\n", {"/x": "main.py"}),
        ("FROM a\nCOPY \\\n  # why\n  main.py \\\n  /x\n", {"/x": "main.py"}),
        ("# COPY main.py /no\n", {}),
        ("FROM a\nCOPY lib /\n", {"/deep.py": "lib/deep.py", "/more": "lib/more"}),
    ],
)
def test_simple_words_are_followed(stage: Path, dockerfile: str, expected: dict[str, str]) -> None:
    assert places(stage, dockerfile) == expected


def test_what_is_not_simple_is_named_where_it_is_needed(stage: Path) -> None:
    lines = ("COPY --from=build /made /app/made", "ADD https://x.org/a.tgz /opt/a", "COPY no /app")
    (stage / "Dockerfile").write_text("FROM a\n" + "\n".join(lines))
    words = read_dockerfile(stage)
    assert words.places == {}
    assert [line for line, _ in words.unfollowed] == list(lines)
    assert unfollowed_of(stage, words, ["sh", "/app/made/x.sh"]) == [lines[0], lines[2]]
    assert unfollowed_of(stage, words, ["sh", "/code/x.sh"]) == []
    runtime = ProcessRuntime(stage.parent / "scratch", {"a": stage})
    assert "isn't followed without Docker" in runtime.remark(
        "a", ["sh", "/app/made/x.sh"], Resources()
    )
    assert runtime.remark("a", ["sh", "/code/x.sh"], Resources()) == ""


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (["/opt/made/tool"], ["RUN make && cp tool /opt/made/tool"]),
        (["sh", "-c", "/opt/cloned/bin/x </pfs/a"], ["RUN git clone https://x.org/a /opt/cloned"]),
        (["/code/built"], ["RUN cc -o built main.c"]),
        (["sh", "built.bin"], ["RUN cp tool built.bin"]),
        (["no-such-tool", "/pfs/in"], ["RUN curl -o /usr/local/bin/no-such-tool https://x.org"]),
        (["python3", "/code/main.py", "/pfs/in", "/pfs/out"], []),
        (["sh", "main.py", "1.5", "-x", "/etc/passwd"], []),
        (["sh", "/opt/unknown"], []),
    ],
)
def test_what_only_a_run_makes_is_named(stage: Path, command: list[str], lines: list[str]) -> None:
    (stage / "requirements.txt").write_text("")
    (stage / "Dockerfile").write_text(
        "FROM a\nWORKDIR /code\nCOPY --from=build /stage /\nCOPY *.py ./\n"
        "RUN make && \\\n    cp tool /opt/made/tool\nRUN git clone https://x.org/a /opt/cloned\n"
        "RUN cc -o built main.c\nRUN cp tool built.bin\n"
        "RUN curl -o /usr/local/bin/no-such-tool https://x.org\nRUN pip install -r x.txt\n"
    )
    found = unfollowed_of(stage, read_dockerfile(stage), command)
    assert [line for line in found if line.startswith("RUN")] == lines
    remark = ProcessRuntime(stage.parent / "scratch", {"a": stage}).remark(
        "a", command, Resources()
    )
    assert all(line in remark for line in lines)
    assert bool(remark) is bool(found)


def test_what_pip_installs_in_the_image_alone_is_named(stage: Path) -> None:
    (stage / "Dockerfile").write_text("FROM a\nRUN pip install --no-cache pandas\nCOPY . /code\n")
    runtime = ProcessRuntime(stage.parent / "scratch", {"a": stage})
    said = runtime.remark("a", ["python3", "/code/main.py"], Resources())
    assert said.startswith("image a: RUN pip install --no-cache pandas of ")
    assert runtime.remark("a", ["sh", "/code/edges.sh"], Resources()) == ""
    (stage / "requirements.txt").write_text("pandas\n")
    assert runtime.remark("a", ["python3", "/code/main.py"], Resources()) == ""


def test_a_dockerfile_may_have_another_name(tmp_path: Path, stage: Path) -> None:
    (stage / "docker").mkdir()
    (stage / "docker" / "one.Dockerfile").write_text(f"FROM a\nWORKDIR {APP}\nCOPY main.py ./\n")
    (stage / "docker" / "two.Dockerfile").write_text(f"FROM a\nCOPY lib {APP}/lib\n")
    (stage / "docker" / "two.Dockerfile.dockerignore").write_text("*\n!lib\n")
    (stage / ".dockerignore").write_text("*\n!*.py\n")
    (tmp_path / "three.Dockerfile").write_text(f"FROM a\nCOPY edges.sh {APP}/edges.sh\n")
    (tmp_path / "compose.yaml").write_text(
        "services:\n"
        "  one: {image: 'one', build: {context: stage, dockerfile: docker/one.Dockerfile}}\n"
        "  two: {image: 'two', build: {context: stage, dockerfile: docker/two.Dockerfile}}\n"
        "  three: {image: 'three', build: {context: stage, dockerfile: ../three.Dockerfile}}\n"
    )
    runtime = ProcessRuntime(tmp_path / "scratch", Stages([tmp_path / "compose.yaml"]))
    seen, held = {}, {}
    for image in ("one", "two", "three"):
        worker = runtime.open_worker(WorkerSpec("w", image))
        lines: list[str] = []
        worker.run(Invocation(("sh", "-c", f"cd {APP}; ls")), taking(lines))
        worker.close()
        seen[image] = lines
        source = runtime.code_of(image)
        assert source is not None
        assert source.folder is not None
        held[image] = [path for path in source.folder.scan() if "." in path]
    assert seen == {"one": ["main.py"], "two": ["lib"], "three": ["edges.sh"]}
    assert held["one"] == ["docker/one.Dockerfile", "helpers.py", "main.py"]
    assert held["two"] == ["docker/two.Dockerfile", "lib/deep.py", "lib/more/deeper.py"]
    assert held["three"] == ["helpers.py", "main.py"]


@pytest.mark.parametrize(
    "broken", ["", "FROM", "COPY", "COPY x", "COPY [1] /", "ENV 'a", "\\", "WORKDIR"]
)
def test_a_broken_dockerfile_says_nothing(stage: Path, broken: str) -> None:
    assert places(stage, broken) == {}


def test_variables_that_make_sense_here_count(stage: Path) -> None:
    (stage / "Dockerfile").write_text(
        "FROM a\nENV LANG=C.UTF-8 PYTHONPATH=/app/lib\nENV MODE the best\n"
        "ENV JULIA_DEPOT_PATH=/no-such/julia PATH=/no-such/bin:$PATH\nCOPY . /app\n"
    )
    words = read_dockerfile(stage)
    assert usable_env(words, {"PATH": "/bin"}) == {
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/app/lib",
        "MODE": "the best",
    }
    (stage / "Dockerfile").write_text("FROM a\nENV PATH=/usr/bin:$PATH\n")
    assert usable_env(read_dockerfile(stage), {"PATH": "/bin"}) == {"PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize("rewrite_paths", [False, True])
def test_commands_see_the_image(stage: Path, tmp_path: Path, *, rewrite_paths: bool) -> None:
    (stage / "Dockerfile").write_text(
        f"FROM a\nWORKDIR {APP}\nENV MODE=best\nCOPY main.py lib/deep.py ./\n"
        "COPY edges.sh /pachlocal-edges.sh\nCOPY lib /usr/pachlocal-test/lib/\n"
        "COPY lib /code/own\n"
    )
    runtime = ProcessRuntime(tmp_path / "scratch", {"a": stage}, rewrite_paths=rewrite_paths)
    worker = runtime.open_worker(WorkerSpec("w", "a"))
    script = (
        f"pwd; ls {APP}; sh /pachlocal-edges.sh; ls /usr/pachlocal-test/lib /code; "
        "sh /code/own/deep.py; echo $MODE; test -x /usr/bin/env && touch new"
    )
    lines: list[str] = []
    try:
        outcome = worker.run(Invocation(("sh", "-c", script)), taking(lines))
    finally:
        worker.close()
    assert (outcome.exit_code, lines[1:3]) == (0, ["deep.py", "main.py"]), lines
    if not rewrite_paths:
        assert lines[0] == APP
    text = " ".join(lines)
    assert "edges.sh" in text
    assert "deep.py more" in text
    assert lines[-2:] == ["lib/deep.py", "best"]
    assert sorted(path.name for path in stage.iterdir()) == [
        *("Dockerfile", "edges.sh", "helpers.py", "lib", "main.py")
    ]
    assert not Path(APP).exists()
    assert not Path("/usr/pachlocal-test").exists()


def test_what_the_machine_needs_itself_is_not_hidden(stage: Path, tmp_path: Path) -> None:
    assert not can_be_shown("/tmp/x")  # noqa: S108
    assert not can_be_shown("/proc/x")
    assert can_be_shown("/usr/pachlocal-test")
    (stage / "Dockerfile").write_text("FROM a\nWORKDIR /tmp/x/y\nCOPY . /tmp/x/y\n")
    found = lay_out(stage, read_dockerfile(stage), tmp_path / "image")
    assert (dict(found.binds), found.workdir) == ({"/code": stage}, "/code")
