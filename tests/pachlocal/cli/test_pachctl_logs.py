"""Logs, as a user of a daemon asks for them; and one that is too large."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from programs import Program
from walkthrough.machine import Daemon

from pachlocal.proto import pps_pb2, pps_pb2_grpc

TALK = "printf 'one\\ntwo\\nof %s\\n' $(basename $data)"
MIB = 2**20
FLOOD_S = 900  # a machine may be slow


def make(daemon: Daemon, name: str, script: str, *, image: str = "x:1", **more: Any) -> None:
    spec = {
        "pipeline": {"name": name},
        "transform": {"image": image, "cmd": ["sh", "-c", script]},
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
        "datum_tries": "1",
        **more,
    }
    spec = {key: value for key, value in spec.items() if value is not None}
    daemon.pachctl("create", "pipeline", "-f", "-", stdin=json.dumps(spec))


def put(daemon: Daemon, *names: str) -> None:
    for name in names:
        daemon.pachctl("put", "file", f"data@master:/{name}", stdin=name)


def job(daemon: Daemon, pipeline: str) -> str:
    """Wait for a pipeline's newest job, which must succeed; return its ID."""
    daemon.pachctl("wait", "commit", f"{pipeline}@master")
    listed = json.loads(
        daemon.pachctl("list", "job", "-p", pipeline, "--raw").split("\n}\n")[0] + "}"
    )
    assert listed["state"] == "JOB_SUCCESS", listed.get("reason")
    return str(listed["job"]["id"])


def lines(daemon: Daemon, *words: str) -> list[str]:
    return daemon.pachctl(*words).splitlines()


def begin_to_talk(daemon: Daemon) -> Daemon:
    """Give a daemon a pipeline whose program prints three lines for each of two datums."""
    daemon.pachctl("create", "repo", "data")
    put(daemon, "a", "b")
    make(daemon, "talk", TALK)
    job(daemon, "talk")
    return daemon


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that talks, for tests that leave its pipeline as it is."""
    daemon = Daemon(tmp_path_factory.mktemp("talk") / "store")
    try:
        daemon.start()
        yield begin_to_talk(daemon)
    finally:
        daemon.end()


def test_the_last_lines_are_those_of_what_was_asked_for(talk: Daemon) -> None:
    id_ = job(talk, "talk")
    said = lines(talk, "logs", "-p", "talk")
    assert sorted(said) == ["of a", "of b", "one", "one", "two", "two"]
    for words in (
        ("logs", "-p", "talk"),
        ("logs", "-j", f"talk@{id_}"),
        ("get-logs", "--job", id_),
    ):
        for last in (1, 5, 100):
            assert lines(talk, *words, "--tail", str(last)) == said[-last:]
    assert lines(talk, "get-logs", "--pipeline", "talk", "-t", "2") == said[-2:]
    assert lines(talk, "logs", "-p", "talk", "-t", "2", "--since", "1h") == said[-2:]
    assert lines(talk, "logs", "-p", "talk", "--inputs", "/a", "-t", "1") == ["of a"]
    assert lines(talk, "logs", "-p", "talk", "--inputs", "/b", "-t", "2") == ["two", "of b"]
    (last,) = lines(talk, "logs", "-p", "talk", "--worker", "-t", "1")
    assert last.startswith("finished running user code")
    assert lines(talk, "logs", "-p", "talk", "--master", "-t", "1") == ["transform spawner started"]
    assert len(lines(talk, "logs", "-t", "3")) == 3
    datums = [it.split()[0] for it in lines(talk, "list", "datum", f"talk@{id_}")[1:]]
    for datum in datums:
        (last,) = lines(talk, "logs", "-j", f"talk@{id_}", "--datum", datum, "-t", "1")
        assert last.startswith("of ")


def test_the_beginning_of_a_datum_s_id_is_enough(talk: Daemon, tmp_path: Path) -> None:
    id_ = job(talk, "talk")
    datum = lines(talk, "list", "datum", f"talk@{id_}")[1].split()[0]
    short = (f"talk@{id_[:8]}", datum[:8])
    assert lines(talk, "inspect", "datum", *short)[0] == f"ID\t{datum}"
    assert lines(talk, "logs", "-j", short[0], "--datum", short[1])[-1].startswith("of ")
    file = str(tmp_path / "capsule")
    assert "1 input," in talk.pachctl("debug", "datum", *short, "-o", file)
    for words in (("get", "code", short[0], "-o", file), ("restart", "datum", short[0], "/a")):
        refused = talk.run("pachctl", *words).stderr
        assert "not found" not in refused
        assert refused.startswith("pachctl: ")


@pytest.mark.parametrize(
    ("unknown", "said"),
    [("0000", "not found in job"), ("0" * 64, "not found in job"), ("nothing", "not hexadecimal")],
)
def test_a_datum_that_is_not_there_is_told(talk: Daemon, unknown: str, said: str) -> None:
    asked = talk.run("pachctl", "logs", "-j", "talk@latest", "--datum", unknown)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert unknown in asked.stderr
    assert said in asked.stderr


def test_the_last_lines_then_those_that_come(daemon: Daemon) -> None:
    talk = begin_to_talk(daemon)
    last = lines(talk, "logs", "-p", "talk")[-2:]
    with Program(
        ["pachctl", "logs", "-p", "talk", "-f", "-t", "2"],
        env=talk.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert [following.stdout.readline().rstrip() for _ in range(2)] == last
        put(talk, "c")
        came = [following.stdout.readline().rstrip() for _ in range(3)]
        following.terminate()
    assert came == ["one", "two", "of c"]


def test_lines_say_who_speaks_where_several_do(talk: Daemon) -> None:
    id_ = job(talk, "talk")
    datums = [it.split()[0] for it in lines(talk, "list", "datum", f"talk@{id_}")[1:]]
    time = r"\d\d:\d\d:\d\d\.\d{3}"
    said = lines(talk, "logs", "-p", "talk", "--prefix")
    assert len(said) == 6
    for line in said:
        begin, _, text = line.partition(" | ")
        assert re.fullmatch(rf"{time} {id_[:8]} ({datums[0][:8]}|{datums[1][:8]})", begin), line
        assert text in ("one", "two", "of a", "of b")
    (first, *_) = lines(talk, "logs", "-j", f"talk@{id_}", "--prefix")
    assert re.match(rf"{time} \w{{8}} \| one", first)

    # On a terminal without being asked, in colour; not where one datum speaks.
    seen = on_terminal(talk, "pachctl", "logs", "-p", "talk", "-t", "1")
    assert re.match(rf"\x1b\[2m{time}\x1b\[0m {id_[:8]} \w{{8}} \| of [ab]\n", seen)
    one = ("--datum", datums[0], "-t", "1")
    assert on_terminal(talk, "pachctl", "logs", "-j", f"talk@{id_}", *one) in ("of a\n", "of b\n")

    # All pipelines, as they speak.
    with Program(
        ["pachctl", "logs", "-f", "--user", "--prefix"],
        env=talk.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        make(talk, "second", "echo here >&2; touch /pfs/out/x-$(basename $data)")
        heard = next(line for line in following.stdout if " talk " not in line)
        following.terminate()
    assert re.match(rf"{time} second \w{{8}} \w{{8}} \| here\n", heard)


def test_who_waits_sees_how_far_it_is_and_who_lists_why_it_failed(
    talk: Daemon, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    make(talk, "slow", f"while ! test -e {go}; do sleep 0.1; done; echo bad >&2; exit 3")
    shown = ""
    main, other = pty.openpty()
    command = ["pachctl", "wait", "commit", "slow@master"]
    with Program(command, env=talk.env, stdout=subprocess.DEVNULL, stderr=other) as it:
        os.close(other)
        try:
            while "slow: 0 of 2 datums" not in shown:
                shown += os.read(main, 1 << 12).decode()
        finally:
            go.touch()  # it ends, whatever was shown
        assert it.wait() == 0
    os.close(main)
    row = lines(talk, "list", "job", "-p", "slow")[1]
    assert re.search(r"failure: datum [0-9a-f]{12}: exit code 3: bad *$", row)


def on_terminal(daemon: Daemon, *command: str) -> str:
    """Run a command on a terminal, and return what it shows."""
    main, other = pty.openpty()
    env = {**daemon.env, "TERM": "xterm"}
    subprocess.run(command, env=env, stdout=other, check=True)
    os.close(other)
    shown = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while piece := os.read(main, 1 << 12):
            shown += piece
    os.close(main)
    return shown.decode().replace("\r\n", "\n")


def test_the_api_counts_the_lines_that_its_other_fields_ask_for(talk: Daemon) -> None:
    id_ = job(talk, "talk")
    pipeline = pps_pb2.Pipeline(name="talk")
    with grpc.insecure_channel(talk.address) as channel:
        pps = pps_pb2_grpc.APIStub(channel)

        def said(**fields: Any) -> list[pps_pb2.LogMessage]:
            return list(pps.GetLogs(pps_pb2.GetLogsRequest(pipeline=pipeline, **fields)))

        everything = said()
        assert said(tail=3) == everything[-3:]
        of_a = [it for it in everything if [file.path for file in it.data] == ["/a"]]
        assert said(data_filters=["/a"], tail=4) == of_a[-4:]
        in_job = said(job=pps_pb2.Job(pipeline=pipeline, id=id_))
        assert said(job=pps_pb2.Job(pipeline=pipeline, id=id_), tail=1) == in_job[-1:]
        assert [it.message for it in said(master=True, tail=5)] == ["transform spawner started"]
        assert all(it.ts.seconds and it.worker_id and it.datum_id for it in of_a)


def test_pachyderm_s_own_pachctl_gets_as_many_lines_of_users_as_it_asks_for(talk: Daemon) -> None:
    asked = pps_pb2.GetLogsRequest(pipeline=pps_pb2.Pipeline(name="talk"), tail=2)
    options = (("grpc.primary_user_agent", "grpc-go/1.60.1"),)
    with grpc.insecure_channel(talk.address, options=options) as channel:
        pps = pps_pb2_grpc.APIStub(channel)
        found = [it.message for it in pps.GetLogs(asked) if it.user]
        of_server = list(pps.GetLogs(pps_pb2.GetLogsRequest(tail=3)))
    assert found == lines(talk, "logs", "-p", "talk", "-t", "2")
    assert len(of_server) == 3


FLOOD = "seq -f 'line %06.0f of the flood' 1 200000"


def numbers(said: list[str]) -> list[int]:
    return [int(it.split()[1]) for it in said if it.startswith("line ")]


class Limited(Daemon):
    @property
    def up_arguments(self) -> tuple[str, ...]:
        return (*super().up_arguments, "--log-limit", "1MiB")


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Limited]:
    daemon = Limited(tmp_path / "store")
    daemon.start()
    daemon.pachctl("create", "repo", "data")
    put(daemon, "a")
    yield daemon
    daemon.end()


def test_a_log_that_is_too_large_keeps_its_beginning_and_its_end(limited: Limited) -> None:
    make(limited, "flood", FLOOD)
    make(limited, "more", FLOOD, metadata={"annotations": {"pachlocal.io/log-limit": "2Mi"}})
    sizes = []
    for pipeline in ("flood", "more"):
        job(limited, pipeline)
        said = lines(limited, "logs", "-p", pipeline)
        found = numbers(said)
        assert (found[0], found[-1]) == (1, 200000)
        (gap,) = (it for it in said if it.startswith("pachlocal:"))
        lost = int(re.findall(r"([\d,]+) lines", gap)[0].replace(",", ""))
        assert len(found) + lost == 200000
        assert found == sorted(found)
        sizes.append(sum(len(it) + 1 for it in said))
        assert "finished running user code" in limited.pachctl("logs", "-p", pipeline, "--worker")
    assert MIB / 2 < sizes[0] <= MIB < sizes[1] <= 2 * MIB
    refused = limited.run("pachlocal", "up", "--log-limit", "1000KiB")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
        2,
        "Error: Invalid value for '--log-limit': 1000KiB is less than 1MiB",
    )


def test_a_program_that_runs_for_ever_keeps_its_newest_lines(limited: Limited) -> None:
    script = f"{FLOOD}; echo the end; exec sleep 1000"
    make(limited, "pour", script, input=None, spout={})
    make(
        limited, "serve", script, service={"internal_port": 1, "external_port": 0}, datum_tries=None
    )
    for pipeline in ("pour", "serve"):
        with Program(
            ["pachctl", "logs", "-p", pipeline, "-f"],
            env=limited.env,
            stdout=subprocess.PIPE,
            text=True,
        ) as following:
            assert following.stdout is not None
            assert any(line == "the end\n" for line in following.stdout)
            following.terminate()
        said = lines(limited, "logs", "-p", pipeline)
        assert said[0].startswith("pachlocal:")
        assert numbers(said) == list(range(200_001 - len(numbers(said)), 200_001))
        assert said[-1] == "the end"
        assert sum(map(len, said)) < MIB


# Each of them is more than a daemon that kept it may have, in memory and on disk.
FLOODS = {
    "one line": f"head -c {256 * MIB} /dev/zero | tr '\\0' x",
    "short lines": f"yes | head -c {1024 * MIB}",
    "no text": f"head -c {256 * MIB} /dev/urandom",
    "both outputs": f"yes no | head -c {128 * MIB} >&2 & yes hello | head -c {128 * MIB}; wait",
}


class Flooded(Daemon):
    """A daemon whose process can be looked at."""

    options: tuple[str, ...] = ()

    @property
    def up_arguments(self) -> tuple[str, ...]:
        return (*super().up_arguments, *self.options)

    def most_memory(self) -> int:
        """Bytes of memory that it had at the most; see proc(5)."""
        status = Path(f"/proc/{self.note['pid']}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    def database(self) -> int:
        return sum(path.stat().st_size for path in self.root.glob("pach.db*"))


@pytest.fixture
def flooded(tmp_path: Path) -> Iterator[Callable[..., Flooded]]:
    daemon = Flooded(tmp_path / "store")

    def start(*options: str) -> Flooded:
        daemon.options = options
        daemon.start()
        daemon.pachctl("create", "repo", "data")
        put(daemon, "a")
        return daemon

    yield start
    daemon.end()


def check(daemon: Flooded, pipeline: str) -> None:
    """The flood ends, has cost what it may, and goes with its pipeline."""
    words = ("pachctl", "wait", "commit", f"{pipeline}@master")
    subprocess.run(words, env=daemon.env, timeout=FLOOD_S, check=True, capture_output=True)
    job(daemon, pipeline)
    assert daemon.most_memory() < 150 * MIB
    assert daemon.database() < 64 * MIB * 3  # pages that are free again, and the write-ahead log
    (gap,) = re.findall("pachlocal: .* cut here", daemon.pachctl("logs", "-p", pipeline))
    assert gap
    assert len(lines(daemon, "logs", "-p", pipeline, "-t", "3")) >= 3
    assert daemon.most_memory() < 150 * MIB
    daemon.pachctl("delete", "pipeline", pipeline)
    assert daemon.most_memory() < 150 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_output(flooded: Callable[..., Flooded], kind: str) -> None:
    daemon = flooded()
    make(daemon, "flood", FLOODS[kind])
    daemon.pachctl("version")  # others are served meanwhile
    daemon.pachctl("create", "repo", "other")
    check(daemon, "flood")


@pytest.mark.slow
def test_a_flood_of_output_in_docker(flooded: Callable[..., Flooded]) -> None:
    busybox = pytest.importorskip("images.busybox", reason="needs the extra docker")
    with busybox.images() as images:
        daemon = flooded("--runtime", "docker")
        make(daemon, "flood", FLOODS["both outputs"], image=images.make())
        check(daemon, "flood")


@pytest.mark.slow
def test_a_pipeline_that_never_stops_printing_is_deleted(flooded: Callable[..., Flooded]) -> None:
    daemon = flooded()
    job: dict[str, Any] = {}
    spout: dict[str, Any] = {"input": None, "spout": {}}
    for pipeline, more in (("flood", job), ("pour", spout)):
        make(daemon, pipeline, "exec yes", **more)
        with Program(
            ["pachctl", "logs", "-p", pipeline, "-f"], env=daemon.env, stdout=subprocess.PIPE
        ) as following:
            assert following.stdout is not None
            read = 0
            while read < 100 * MIB:
                read += len(following.stdout.read1(MIB))  # type: ignore[attr-defined]
            following.terminate()
        assert lines(daemon, "logs", "-p", pipeline, "-t", "2")[-2:] == ["y", "y"]
        daemon.pachctl("delete", "pipeline", pipeline)
        assert daemon.run("pachctl", "logs", "-p", pipeline).returncode == 1
    assert daemon.most_memory() < 150 * MIB
