"""Upkeep commands, of a daemon that runs."""

import sqlite3
from contextlib import closing
from pathlib import Path

from walkthrough.machine import Daemon

from pachlocal import __version__


def put(daemon: Daemon, folder: Path, content: bytes) -> None:
    (folder / "large").write_bytes(content)
    daemon.pachctl("put", "file", "data@master", "-f", str(folder / "large"))


def upkeep(daemon: Daemon, *words: str) -> tuple[int, str, str]:
    done = daemon.run("pachlocal", *words, "--root", str(daemon.root))
    return done.returncode, done.stdout, done.stderr


def test_garbage_goes_and_damage_is_found(daemon: Daemon, tmp_path: Path) -> None:
    daemon.pachctl("create", "repo", "data")
    put(daemon, tmp_path, b"1" * 200_000)
    assert upkeep(daemon, "fsck") == (0, "No errors found.\n", "")
    daemon.pachctl("delete", "repo", "data")
    code, said, _ = upkeep(daemon, "gc", "--dry-run")
    assert (code, said.split(",")[0].rpartition(" ")[2]) == (0, "objects")
    assert said.startswith("would free ")
    assert upkeep(daemon, "gc") == (0, said.replace("would free", "freed"), "")
    assert upkeep(daemon, "gc") == (0, "freed 0 objects, 0B\n", "")
    daemon.pachctl("create", "repo", "data")
    put(daemon, tmp_path, b"2" * 200_000)
    (chunk,) = (path for path in daemon.root.glob("chunks/*/*") if path.is_file())
    chunk.write_bytes(b"3" * 200_000)

    code, said, _ = upkeep(daemon, "fsck")
    assert code == 1
    assert "/large can't be read" in said


def test_commands_are_found_under_the_names_that_people_guess(daemon: Daemon) -> None:
    code, said, error = upkeep(daemon, "logs")
    assert (code, said, error) == (0, daemon.log, "")
    assert upkeep(daemon, "stop") == (0, "pachlocal is down\n", "")
    code, said, _ = upkeep(daemon, "start", *daemon.up_arguments[-2:])
    assert (code, said.split(" at ")[0]) == (0, "pachlocal is up")
    daemon.started()
    for program in ("pachlocal", "pachctl"):
        assert daemon.run(program, "--version").stdout == f"{program}, version {__version__}\n"


def test_without_a_daemon_there_is_no_log(tmp_path: Path) -> None:
    nowhere = Daemon(tmp_path / "nowhere")
    assert upkeep(nowhere, "logs") == (1, "", f"pachlocal: no daemon has run on {nowhere.root}\n")


def test_a_store_without_a_daemon_is_checked_also_when_none_can_start(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.pachctl("create", "repo", "data")
    put(daemon, tmp_path, b"2" * 200_000)
    daemon.stop()
    assert upkeep(daemon, "fsck") == (0, "No errors found.\n", "")
    (chunk,) = (path for path in daemon.root.glob("chunks/*/*") if path.is_file())
    chunk.write_bytes(b"3" * 200_000)
    code, said, error = upkeep(daemon, "fsck")
    assert (code, said.count("\n"), error) == (1, 1, "")
    assert "default/data@" in said
    assert "/large can't be read" in said

    database = daemon.root / "pach.db"
    database.write_bytes(b"not SQLite's" + database.read_bytes()[12:])
    refused = daemon.run("pachlocal", *daemon.up_arguments)
    sentence = "pach.db is damaged: file is not a database"
    assert refused.returncode == 1
    assert f"{sentence}; see: pachlocal fsck --root {daemon.root}\n" in refused.stderr
    code, said, error = upkeep(daemon, "fsck")
    assert (code, said.splitlines()[0], error) == (1, sentence, "")
    assert f"object {chunk.parent.name}{chunk.name} is damaged" in said


def test_damage_that_a_call_comes_upon_is_one_sentence(daemon: Daemon) -> None:
    daemon.pachctl("create", "repo", "data")
    daemon.stop()
    with closing(sqlite3.connect(daemon.root / "pach.db")) as raw, raw:
        raw.execute("UPDATE repos SET description = CAST(x'ff' AS TEXT)")
    daemon.start()
    done = daemon.run("pachctl", "inspect", "repo", "data")
    assert done.returncode == 1
    assert done.stderr.startswith("pachctl: pach.db is damaged: Could not decode to UTF-8")
    assert done.stderr.count("\n") == 1
    assert upkeep(daemon, "fsck")[0] == 0  # it is what was written


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "none")
    for words in (["gc"], ["status"]):
        code, _, error = upkeep(daemon, *words)
        assert code == 1
        assert error.endswith(f"start it with: pachlocal up --root {daemon.root}\n")
    daemon.env["PACHLOCAL_ROOT"] = str(daemon.root)
    assert upkeep(daemon, "gc")[2].endswith("start it with: pachlocal up\n")
