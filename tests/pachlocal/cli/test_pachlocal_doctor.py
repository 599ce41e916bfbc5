import os
import platform
import shutil
import socket
import subprocess
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from walkthrough.machine import ANY_PORT, ROOT, Daemon, environment

from pachlocal.cli.pachlocal.doctor import machine, programs
from pachlocal.cli.pachlocal.doctor.address import check_address, check_client
from pachlocal.cli.pachlocal.doctor.finding import Verdict
from pachlocal.cli.pachlocal.doctor.installing import INSTALLING


def doctor(tmp_path: Path, *options: str, path: str = "", cwd: Path = ROOT) -> tuple[int, str]:
    env = environment(tmp_path)
    result = subprocess.run(
        [shutil.which("pachlocal", path=env["PATH"]) or "pachlocal", "doctor", *options],
        env={**env, "PATH": path or env["PATH"]},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not result.stderr
    return result.returncode, result.stdout


@pytest.fixture
def listener() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_where_all_is_well_the_workshop_can_run(tmp_path: Path):
    code, out = doctor(tmp_path, "--root", str(tmp_path / "store"), "--address", ANY_PORT)
    assert code == 0, out
    assert out.endswith("The Python workshop can run here.\n")
    assert not (tmp_path / "store").exists()


def test_without_r_julia_and_docker_python_can_run(tmp_path: Path):
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("python3", "pachctl"):
        program = shutil.which(name, path=environment(tmp_path)["PATH"])
        assert program
        (bare / name).symlink_to(program)
    options = ("--root", str(tmp_path / "store"), "--address", ANY_PORT)
    code, out = doctor(tmp_path, *options, path=str(bare))
    assert code == 0, out
    for line in (
        "note  r         Rscript is not on PATH; only the R stages need it\n",
        "note  julia     julia is not on PATH; only the Julia stages need it\n",
        "note  docker    docker is not on PATH; only --runtime docker needs it\n",
    ):
        assert line in out


@pytest.mark.slow
def test_a_port_that_is_held_is_a_failure_with_a_cure(tmp_path: Path, listener: str):
    code, out = doctor(tmp_path, "--root", str(tmp_path / "store"), "--address", listener)
    assert code == 1
    assert f"fail  address   {listener} is held by a program that isn't Pachyderm\n" in out
    cure = f"choose another: pachlocal up --root {tmp_path / 'store'} --address 127.0.0.1:0"
    assert f"→ {cure}\n" in out
    assert out.endswith("The Python workshop can not run here.\n")


def test_it_tells_its_own_daemon_from_another_ones(
    new_daemon: Callable[[str], Daemon], tmp_path: Path
):
    daemon = new_daemon("store")
    daemon.start()
    code, out = doctor(tmp_path, "--root", str(daemon.root), "--address", daemon.address)
    assert code == 0, out
    assert f"pass  address   pachlocal runs on this store, at grpc://{daemon.address}\n" in out
    finding = check_address(daemon.address, None, tmp_path)
    assert finding.verdict is Verdict.FAIL
    assert "is held by pachlocal, on another store (API 2." in finding.text


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost:port", "127.0.0.1:99999"])
def test_what_is_no_address_is_named(address: str):
    finding = check_address(address, None, Path())
    assert (finding.verdict, finding.text) == (Verdict.FAIL, f"{address!r} isn't an address")


def test_an_address_of_another_machine_is_no_place_to_listen():
    finding = check_address("192.0.2.1:30650", None, Path())
    assert finding.verdict is Verdict.FAIL
    assert "can't listen on 192.0.2.1:30650" in finding.text


def test_pachctl_that_talks_to_somebody_else_is_noted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PACH_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.delenv("PACHD_ADDRESS", raising=False)
    monkeypatch.setenv("PATH", environment(ROOT)["PATH"])
    assert check_client("127.0.0.1:30650", None).verdict is Verdict.PASS
    elsewhere = check_client("127.0.0.1:30650", "grpc://127.0.0.1:4242")
    assert elsewhere.verdict is Verdict.NOTE
    assert elsewhere.cure.endswith("export PACHD_ADDRESS=grpc://127.0.0.1:4242")
    monkeypatch.setenv("PACHD_ADDRESS", "grpc://127.0.0.1:4242")
    assert check_client("127.0.0.1:0", "grpc://127.0.0.1:4242").verdict is Verdict.PASS
    monkeypatch.setenv("PACHD_ADDRESS", "grpc://pach.example.com:80")
    finding = check_client("127.0.0.1:30650", None)
    assert finding.verdict is Verdict.NOTE
    assert finding.text.endswith("talks to grpc://pach.example.com:80, as PACHD_ADDRESS says")


def test_without_the_workshops_files_it_cannot_run(tmp_path: Path):
    assert machine.check_workshop(None).verdict is Verdict.FAIL
    (tmp_path / "compose.yaml").touch()
    finding = machine.check_workshop(tmp_path / "compose.yaml")
    assert finding.verdict is Verdict.FAIL
    assert "python_train.json, python_infer.json, data/iris.csv" in finding.text


def test_a_store_must_be_a_folder_that_can_be_written_to(tmp_path: Path):
    (tmp_path / "file").touch()
    assert machine.check_store(tmp_path / "file").verdict is Verdict.FAIL
    assert machine.check_store(tmp_path / "file" / "store").verdict is Verdict.FAIL
    assert machine.check_store(tmp_path / "new" / "store").verdict is Verdict.PASS


def test_a_folder_where_nobody_may_write_is_no_store():
    assert machine.check_store(Path("/proc/store")).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("mib", "verdict"), [(10, Verdict.FAIL), (500, Verdict.NOTE), (5000, Verdict.PASS)]
)
def test_space_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mib: int, verdict: Verdict
):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(mib << 20))
    assert machine.check_disk(tmp_path / "store").verdict is verdict


@pytest.mark.parametrize(
    ("script", "verdict", "text", "cure"),
    [
        ("printf 'R 4\\n'", Verdict.PASS, "R 4", ""),
        (
            "printf 'R 4\\ne1071\\n'",
            Verdict.NOTE,
            "R 4, without e1071",
            'Rscript -e \'install.packages(c("e1071"), repos = "https://cloud.r-project.org")\'',
        ),
        ("echo broken >&2; exit 1", Verdict.NOTE, "does not start: broken", ""),
    ],
)
def test_r_is_asked_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    script: str,
    verdict: Verdict,
    text: str,
    cure: str,
):
    program = tmp_path / "Rscript"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert programs.check_r() == (verdict, "r", text, cure)


@pytest.mark.parametrize(
    ("about", "command"),
    [
        ({"ID": "debian"}, "sudo apt install r-base-core r-cran-mass r-cran-e1071"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "sudo apt install r-base-core"),
        ({"ID": "fedora"}, "sudo dnf install R && sudo Rscript"),
        ({"ID": "alpine"}, "install R and its packages MASS and e1071"),
        (None, "brew install r && Rscript"),
    ],
)
def test_what_is_not_there_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, str] | None, command: str
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(platform, "system", lambda: "Linux" if about else "Darwin")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: about)
    assert programs.check_r().cure.startswith(command)


def test_the_page_lists_every_command():
    page = (ROOT / "docs" / "languages.md").read_text()
    for language, commands in INSTALLING.items():
        section = page.partition(f"## {language}\n")[2].partition("\n## ")[0]
        for system, command in commands.items():
            assert system.value in section
            assert command in section


@pytest.mark.skipif(not shutil.which("julia"), reason="Julia is not installed")
def test_julia_understands_the_question():
    assert programs.check_julia(ROOT / "compose.yaml").text.startswith("Julia 1.")


@pytest.mark.parametrize("compose", [ROOT / "compose.yaml", None])
def test_julia_is_asked_for_the_packages_that_the_stages_pin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compose: Path | None
):
    program = tmp_path / "julia"
    program.write_text(
        '#!/bin/sh\necho "Julia 1"\ncase $* in *--project=*) ;; *) echo JLD2 ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = programs.check_julia(compose)
    if compose:
        assert found == (Verdict.PASS, "julia", "Julia 1", "")
    else:
        cure = "julia -e 'using Pkg; Pkg.add([\"JLD2\"])'"
        assert found == (Verdict.NOTE, "julia", "Julia 1, without JLD2", cure)


def test_in_a_folder_of_ones_own_it_looks_at_that(tmp_path: Path):
    home = tmp_path / "mine"
    subprocess.run(["pachlocal", "init", str(home)], env=environment(tmp_path), check=True)
    options = ("--root", str(tmp_path / "store"), "--address", ANY_PORT)
    code, out = doctor(tmp_path, *options, cwd=home)
    assert code == 0, out
    assert "pass  project   1 pipeline: words\n" in out
    assert "pass  words     example/words:1.0: words; python3\n" in out
    assert "scikit-learn" not in out
    assert out.endswith("What is in this folder can run here.\n")

    right = (home / "compose.yaml").read_text()
    (home / "compose.yaml").write_text("services:\n  words: [\n")
    code, out = doctor(tmp_path, *options, cwd=home)
    assert code == 1
    assert "fail  project   compose.yaml:3:1: expected the node content" in out
    (home / "compose.yaml").write_text(right)

    (home / "words" / "requirements.txt").write_text("no-such-package==1.0  # why\nclick==0.1\n")
    (home / "words" / "words.py").rename(home / "words" / "count.py")
    spec = (home / "words.json").read_text()
    (home / "other.json").write_text(
        spec.replace('"words"', '"other"').replace("words:1.0", "word:1.0")
    )
    (home / "third.json").write_text(
        spec.replace('"words"', '"third"').replace("python3", "no-such-program")
    )
    (home / "fourth").mkdir()
    (home / "fourth" / "requirements.txt").write_text("click\n-e .\n")
    (home / "fourth.json").write_text(
        spec.replace('"words"', '"fourth"').replace("example/words", "example/fourth")
    )
    with (home / "compose.yaml").open("a") as compose:
        compose.write("  fourth: {image: 'example/fourth:1.0', build: fourth}\n")
    (home / "slip.json").write_text(spec[:-3])
    code, out = doctor(tmp_path, *options, cwd=home)
    assert code == 1
    for line in (
        "fail  project   slip.json:",
        f"fail  words     its command names /code/words.py, and {home}/words has no words.py\n",
        "note  words     the Python environment of requirements.txt isn't made yet\n",
        "fail  third     no-such-program is not on PATH\n",
        "fail  fourth    image example/fourth:1.0: requirements.txt, line 2: -e .: ",
        "fail  other     no folder for image example/word:1.0 in ",
        "did you mean example/words:1.0?",
    ):
        assert line in out, (line, out)
