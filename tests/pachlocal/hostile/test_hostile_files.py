"""Whatever is in a file, a program says in one line what is wrong with it, in bounded memory.

The files are made by a seed: a failing one is made again by its number.
"""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from walkthrough.machine import Daemon

from . import archives, texts

SEED = 20_240_817
pytestmark = pytest.mark.slow

# Of those that are made by chance, for each way to read them.
NUMBER = int(os.environ.get("HOSTILE_FILES", "200"))
MOST_MEMORY = 450 * 2**20  # bytes, 100 of them Python's and gRPC's

SPEC: dict[str, Any] = {
    "pipeline": {"name": "p", "project": {"name": "default"}},
    "description": "d",
    "transform": {
        "image": "i:1",
        "cmd": ["sh", "-c"],
        "stdin": ["x"],
        "env": {"A": "b"},
        "secrets": [{"name": "s", "key": "k", "env_var": "S"}],
        "accept_return_code": [1],
    },
    "parallelism_spec": {"constant": "2"},
    "input": {
        "cross": [
            {"pfs": {"repo": "data", "glob": "/*", "join_on": "$1", "lazy": True}},
            {"cron": {"name": "tick", "spec": "@daily"}},
        ]
    },
    "datum_timeout": "10s",
    "resource_limits": {"memory": "1Gi", "cpu": 1.5},
    "datum_tries": 3,
    "autoscaling": False,
    "metadata": {"annotations": {"pachlocal.io/warm": "false"}},
}
OLD_SPEC: dict[str, Any] = {
    "pipeline": {"name": "p"},
    "transform": {"image": "i:1", "cmd": ["sh"]},
    "parallelism_spec": {"strategy": "CONSTANT", "constant": 1, "coefficient": 1.5},
    "inputs": [{"repo": {"name": "data"}, "glob": "/*", "from": {"id": "x"}}],
    "standby": True,
    "cache_size": "1G",
}
SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s"},
    "type": "Opaque",
    "data": {"k": base64.b64encode(b"v").decode()},
    "stringData": {"t": "w"},
}
CONFIG: dict[str, Any] = {
    "user_id": "u",
    "v2": {
        "active_context": "here",
        "contexts": {
            "here": {
                "pachd_address": "grpc://127.0.0.1:1",
                "session_token": "t",
                "server_cas": "eA==",
                "project": "default",
                "port_forwarders": {"pachd": 1},
            }
        },
    },
}
CAPSULE: dict[str, Any] = {
    "format": "pachlocal-capsule",
    "version": 1,
    "datum": "d",
    "state": "FAILED",
    "reason": "new",
    "job": {"project": "default", "pipeline": "p", "id": "j"},
    "image": "i",
    "cmd": ["true"],
    "stdin": ["x"],
    "accept_return_code": [4],
    "working_dir": "",
    "datum_batching": False,
    "timeout_s": 20,
    "env": {"A": "b"},
    "withheld": ["TOKEN"],
    "secrets": [{"name": "s", "env_var": "PASSWORD"}],
    "inputs": [{"name": "in", "size_bytes": 4}],
    "logs": [{"time": "", "user": True, "message": "m"}],
}
CONTENT = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"  # of "content"
CHANGE: dict[str, Any] = {"path": "/a", "sha256": CONTENT, "size": 7}
EXPORT: dict[str, Any] = {
    "server": "s",
    "project": "default",
    "repos": [
        {
            "name": "data",
            "description": "",
            "branches": [
                {"name": "master", "head": "1", "trigger": {"branch": "x"}, "provenance": ["a@b"]}
            ],
            "commits": [
                {
                    "id": "1",
                    "branch": "master",
                    "parent": "",
                    "description": "",
                    "error": "",
                    "started": "",
                    "finished": "",
                    "size_bytes": 7,
                    "changes": 1,
                }
            ],
        }
    ],
    "pipelines": [
        {"name": "p", "version": 1, "stopped": False, "spec": {"a": 1}, "earlier": {"1": {}}}
    ],
    "format": "pachlocal-export",
    "version": 1,
}


class Case(NamedTuple):
    """A file, and what is wrong with it; it must be refused if anything is for sure."""

    name: str
    content: Iterable[bytes]
    refused: bool = True


class Programs:
    """Runs programs on files, and looks at how they end."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.tried = 0
        self.most = 0
        self._file = folder / "file"
        self._env = {
            "PACH_CONFIG": str(folder / "none"),
            "PACHCTL_STATE": str(folder / "state"),
            "PACHD_ADDRESS": "grpc://127.0.0.1:1",
            "TMPDIR": str(folder),
            **env,
        }
        self._runner = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("runner.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        self._runner.communicate()

    def check(
        self,
        cases: Iterable[Case],
        program: str,
        *words: str,
        variable: str = "",
        good: tuple[int, ...] = (0,),
    ) -> None:
        """Run a program on each of some files.

        Args:
            cases: The files.
            program: The program.
            words: Its words; FILE is the file.
            variable: What tells it where the file is, if not its words.
            good: Exit codes for files that it need not refuse.
        """
        for case in cases:
            with self._file.open("wb") as file:
                for piece in case.content:
                    file.write(piece)
            env = {variable: str(self._file)} if variable else {}
            given = [str(self._file) if word == "FILE" else word for word in words]
            ended = self._run(program, given, env)
            self.tried += 1
            self.most = max(self.most, ended["memory"])
            told = f"{case.name}: {ended}"
            assert ended["memory"] < MOST_MEMORY, told
            assert "Traceback" not in ended["err"] + ended["out"], told
            assert "fault of the program" not in ended["err"] + ended["out"], told
            assert "internal" not in (ended["err"] + ended["out"]).lower(), told
            if ended["code"] != 1 and not case.refused:
                assert ended["code"] in good, told
                continue
            assert ended["code"] == 1, told
            said = ended["out"] if program == "lint" else ended["err"]
            lines = [it for it in said.splitlines() if not it.startswith(("note: ", "warning: "))]
            if program != "lint" or case.refused:
                assert len(lines) == 1, told
            assert said.replace("\n", "").isprintable(), told
            assert max(map(len, said.splitlines())) < 5000, told

    def _run(self, program: str, words: list[str], env: dict[str, str]) -> dict[str, Any]:
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        case = {"program": program, "words": words, "env": {**self._env, **env}}
        print(json.dumps(case), file=self._runner.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._runner.stdout.readline())
        return answer


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    programs = Programs(tmp_path, {})
    yield programs
    programs.end()
    print(f"{programs.tried} files, {programs.most // 2**20} MiB at the most")


@pytest.fixture
def served(daemon: Daemon, tmp_path: Path) -> Iterator[Programs]:
    """Programs with a server."""
    daemon.pachctl("create", "repo", "data")
    programs = Programs(tmp_path, {"PACHD_ADDRESS": daemon.env["PACHD_ADDRESS"]})
    yield programs
    programs.end()
    print(f"{programs.tried} files, {programs.most // 2**20} MiB at the most")
    assert daemon.pachctl("list", "pipeline").count("\n") == 1  # nothing was made
    status = Path(f"/proc/{daemon.note['pid']}/status").read_text()
    (peak,) = (int(it.split()[1]) for it in status.splitlines() if it.startswith("VmHWM"))
    assert peak * 1024 < MOST_MEMORY


def bad_texts(valid: Any) -> Iterator[Case]:
    return (Case(name, [text]) for name, text in texts.fixed(valid))


def chance(make: Callable[[random.Random], bytes]) -> Iterator[Case]:
    for count in range(NUMBER):
        name = f"number {count}"
        rng = random.Random(f"{SEED} {count}")  # noqa: S311 - no secret
        yield Case(name, [make(rng)], refused=False)


def changed(valid: Any) -> Callable[[random.Random], bytes]:
    return lambda rng: texts.changed(valid, rng)


@pytest.mark.parametrize("valid", [SPEC, OLD_SPEC], ids=["2.x", "1.x"])
def test_lint(programs: Programs, valid: Any) -> None:
    programs.check(bad_texts(valid), "lint", "FILE")
    programs.check(chance(changed(valid)), "lint", "FILE")
    yaml = (Case(name, [text]) for name, text in texts.yaml())
    programs.check(yaml, "lint", "FILE")


@pytest.mark.parametrize(
    "words",
    [
        ("create", "pipeline", "--dry-run", "-f", "FILE"),
        ("update", "pipeline", "--dry-run", "-f", "FILE"),
        ("plan", "-f", "FILE"),
    ],
    ids=lambda words: words[0],
)
def test_specs(served: Programs, words: tuple[str, ...]) -> None:
    served.check(bad_texts(SPEC), "pachctl", *words)
    served.check(chance(changed(SPEC)), "pachctl", *words)
    yaml = (Case(name, [text]) for name, text in texts.yaml())
    served.check(yaml, "pachctl", *words)


def test_secrets(served: Programs) -> None:
    words = ("create", "secret", "-f", "FILE")
    served.check(bad_texts(SECRET), "pachctl", *words)
    served.check(chance(changed(SECRET)), "pachctl", *words)


def test_configuration(programs: Programs) -> None:
    for words in (("config", "list", "context"), ("list", "repo")):
        at = "PACH_CONFIG"
        programs.check(bad_texts(CONFIG), "pachctl", *words, variable=at)
        programs.check(chance(changed(CONFIG)), "pachctl", *words, variable=at)


def test_what_pachctl_remembers(programs: Programs) -> None:
    valid = {"active_transactions": {"grpc://127.0.0.1:1": "a" * 32}}
    words = ("finish", "transaction")
    programs.check(bad_texts(valid), "pachctl", *words, variable="PACHCTL_STATE")
    programs.check(chance(changed(valid)), "pachctl", *words, variable="PACHCTL_STATE")


# --- archives -----------------------------------------------------------------------------------


def capsule(manifest: bytes, *more: bytes) -> list[bytes]:
    return [archives.entry(manifest, name=b"manifest.json"), *more, archives.END]


def test_replay(programs: Programs) -> None:
    manifest = json.dumps(CAPSULE).encode()
    ran = (0, 4, 126, 127)

    def gz(parts: Iterable[bytes]) -> Iterator[bytes]:
        return archives.compressed(parts)

    programs.check(
        (Case(name, gz(_after(capsule(manifest)[0], parts))) for name, parts in archives.fixed()),
        "replay",
        "FILE",
    )
    programs.check(
        (Case(it.name, gz(capsule(b"".join(it.content)))) for it in bad_texts(CAPSULE)),
        "replay",
        "FILE",
    )
    whole = b"".join(capsule(manifest, archives.entry(), archives.entry(name=b"pfs/in/b")))
    damaged = chance(lambda rng: archives.damaged_gzip(whole, rng))
    programs.check(damaged, "replay", "FILE", good=ran)
    manifests = chance(lambda rng: b"".join(gz(capsule(texts.changed(CAPSULE, rng)))))
    programs.check(manifests, "replay", "FILE", good=ran)


def _after(first: bytes, parts: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from parts
    yield archives.END


def exported(manifest: bytes, change: bytes) -> list[bytes]:
    content = f"content/{CONTENT[:2]}/{CONTENT}".encode()
    return [
        archives.entry(b"content", name=content),
        archives.entry(change, name=b"commits/data/1.jsonl"),
        archives.entry(manifest, name=b"manifest.json"),
        archives.END,
    ]


def test_import(programs: Programs) -> None:
    """What isn't refused for what it is can't be sent: there is no server."""
    words = ("import", "--address", "127.0.0.1:1", "FILE")
    manifest, change = json.dumps(EXPORT).encode(), json.dumps(CHANGE).encode() + b"\n"
    (_, *rest) = exported(manifest, change)
    programs.check(
        (Case(name, _after(rest[0], parts)) for name, parts in archives.fixed()),
        "pachlocal",
        *words,
    )
    programs.check(
        (Case(it.name, exported(b"".join(it.content), change)) for it in bad_texts(EXPORT)),
        "pachlocal",
        *words,
    )
    programs.check(
        (Case(it.name, exported(manifest, b"".join(it.content))) for it in bad_texts(CHANGE)),
        "pachlocal",
        *words,
    )
    whole = b"".join(exported(manifest, change))
    for make in (
        lambda rng: archives.damaged(whole, rng),
        lambda rng: b"".join(exported(texts.changed(EXPORT, rng), change)),
        lambda rng: b"".join(exported(manifest, texts.changed(CHANGE, rng))),
    ):
        programs.check(chance(make), "pachlocal", *words)


def test_import_of_a_folder(programs: Programs, tmp_path: Path) -> None:
    manifest = json.dumps(EXPORT)
    for number, spoil in enumerate(
        (
            lambda folder: (folder / "manifest.json").symlink_to("/etc/passwd"),
            lambda folder: (folder / "manifest.json").symlink_to("/dev/zero"),
            lambda folder: os.mkfifo(folder / "manifest.json"),
            lambda folder: (folder / "manifest.json").mkdir(),
            lambda folder: (folder / "manifest.json").write_text(manifest),
            lambda folder: (folder / "manifest.json").write_text(
                manifest.replace('"name": "data"', '"name": "../../../../etc"')
            ),
            lambda folder: (folder / "manifest.json").write_text(
                manifest.replace('"name": "data"', '"name": "a\\u0000b"')
            ),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        spoil(folder)
        programs.check([Case(str(number), [])], "pachlocal", "import", str(folder))
