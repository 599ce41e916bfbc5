"""Upkeep commands, of a daemon that runs."""

from pathlib import Path

from walkthrough.machine import Daemon


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


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "none")
    for words in (["fsck"], ["gc"], ["status"]):
        code, _, error = upkeep(daemon, *words)
        assert code == 1
        assert error.endswith("start it with: pachlocal up\n")
