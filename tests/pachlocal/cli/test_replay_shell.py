"""`replay --shell` runs nothing of a stranger's capsule before the user says so."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from programs import Program
from test_capsule_unpacking import MANIFEST

LIMIT_S = 60
SHELLS = [path for name in ("bash", "sh", "zsh") if (path := shutil.which(name))]


def hostile(mark: Path) -> dict[str, str]:
    """Variables by which some program or other runs what they say: it makes a file."""
    act = f"touch {mark}/$0-$$"
    below = "/pfs/in"
    return {
        "PROMPT_COMMAND": f"touch {mark}/PROMPT_COMMAND",
        "PS0": f"$(touch {mark}/PS0)",
        "PS1": f"$(touch {mark}/PS1)`touch {mark}/PS1b`> ",
        "PS4": f"$(touch {mark}/PS4)",
        "SHELLOPTS": "xtrace",
        "ENV": f"{below}/rc",
        "BASH_ENV": f"{below}/rc",
        "BASH_FUNC_exit%%": f"() {{ touch {mark}/exit; }}",
        "BASH_FUNC_echo%%": f"() {{ touch {mark}/echo; }}",
        "LD_PRELOAD": f"{below}/preload.so",
        "LD_AUDIT": f"{below}/preload.so",
        "HOME": below,
        "ZDOTDIR": below,
        "XDG_CONFIG_HOME": below,
        "INPUTRC": f"{below}/rc",
        "PATH": f"{below}/bin",
        "SHELL": f"{below}/bin/sh",
        "PYTHONSTARTUP": f"{below}/start.py",
        "PYTHONPATH": below,
        "PYTHONHOME": below,
        "PYTHONINSPECT": "1",
        "PERL5OPT": "-Mevil",
        "LESSOPEN": f"|{act}",
        "GIT_CONFIG_GLOBAL": f"{below}/rc",
        "TERM": "$(touch x)",
        "TERMINFO": below,
        "GREETING": "hello",
    }


def pack(path: Path, mark: Path, env: dict[str, str], **changes: Any) -> None:
    script = f"#!/bin/sh\ntouch {mark}/run-by-$(basename $0)\n".encode()
    python = f"open({str(mark / 'python')!r}, 'w')\n".encode()
    files = {f"in/{name}": script for name in ("rc", ".bashrc", ".profile", ".bash_profile")}
    files |= {f"in/{name}": script for name in (".zshrc", ".zshenv", "bash.bashrc")}
    files |= {f"in/bin/{name}": script for name in ("sh", "bash", "env", "touch", "id", "git")}
    files |= {"in/start.py": python, "in/sitecustomize.py": python, "in/os.py": python}
    files |= {"in/preload.so": shared_library(path.parent, mark)}
    files |= {"in/.git/config": f"[core]\nfsmonitor = touch {mark}/git\n".encode()}
    manifest = {**MANIFEST, "env": env, **changes}
    with tarfile.open(path, "w:gz") as archive:
        content = {"manifest.json": json.dumps(manifest).encode()}
        content |= {f"pfs/{name}": text for name, text in files.items()}
        for name, text in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))


def shared_library(folder: Path, mark: Path) -> bytes:
    """A library that makes a file when a program is started with it."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler, to make what LD_PRELOAD would load")
    source, made = folder / "preload.c", folder / "preload.so"
    source.write_text(
        "#include <fcntl.h>\n__attribute__((constructor)) static void loaded(void) {"
        f'open("{mark}/preload", O_CREAT | O_WRONLY, 0600); }}\n'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return made.read_bytes()


def on_terminal(words: list[str], typed: str, env: dict[str, str]) -> tuple[int, str]:
    """Run a program on a terminal of its own; return its exit code and what is seen there."""
    main, terminal = pty.openpty()
    with Program(
        words, stdin=terminal, stdout=terminal, stderr=terminal, env=env, start_new_session=True
    ) as process:
        os.close(terminal)
        os.write(main, typed.encode())
        seen, end = bytearray(), time.monotonic() + LIMIT_S
        while select.select([main], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                seen += os.read(main, 1 << 16)
            except OSError:  # EIO: nobody has it open any more
                break
        else:
            process.kill()
    os.close(main)
    return process.returncode, seen.decode(errors="replace")


@pytest.mark.parametrize("rewritten", [False, True], ids=["true paths", "rewritten"])
@pytest.mark.parametrize("shell", SHELLS, ids=[Path(it).name for it in SHELLS])
def test_nothing_of_the_capsule_runs_before_the_user_types(
    tmp_path: Path, shell: str, rewritten: bool
) -> None:
    mark, home = tmp_path / "mark", tmp_path / "home"
    mark.mkdir()
    home.mkdir()
    # A prompt that looks at the folder's repository, as many have.
    (home / ".bashrc").write_text("PROMPT_COMMAND='git status >/dev/null 2>&1'\n")
    pack(tmp_path / "capsule", mark, hostile(mark), working_dir="/pfs/in")
    words = [sys.executable, "-m", "pachlocal.replay", str(tmp_path / "capsule"), "--shell"]
    words += ["--rewrite-paths"] * rewritten
    env = {**os.environ, "SHELL": shell, "HOME": str(home), "TMPDIR": str(tmp_path)}
    code, seen = on_terminal(words, "echo still $((6 * 7)) $GREETING\nexit 7\n", env)
    assert code == 7, seen
    assert "still 42" in seen
    assert [path.name for path in mark.iterdir()] == []
    # What the user starts there has the datum's variables and folder, all of them.
    say = "echo said $GREETING $PS4 $HOME; pwd"
    _, seen = on_terminal(words, f"./run /bin/sh -c '{say}'\nexit\n", env)
    assert f"said hello $(touch {mark}/PS4) /pfs/in" in seen or rewritten
    assert (mark / "preload").exists()


def test_nothing_is_said_to_the_terminal_itself(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.mkdir()
    act = "\x1b]0;touch x\x07\x1b[21t\x9b21t\u202e\n"
    changes: dict[str, Any] = {
        "datum": act,
        "reason": act,
        "image": act,
        "cmd": ["echo", act],
        "withheld": [act],
        "job": {"pipeline": act, "id": act},
    }
    pack(tmp_path / "capsule", mark, {"A": act}, **changes)
    words = [sys.executable, "-m", "pachlocal.replay", str(tmp_path / "capsule"), "--shell"]
    env = {**os.environ, "SHELL": "/bin/sh", "TMPDIR": str(tmp_path), "PS1": "> "}
    code, seen = on_terminal(words, "exit 3\n", env)
    assert code == 3
    assert "\\x1b]0;touch x" in seen
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(seen)


def test_the_command_runs_as_the_job_ran_it(tmp_path: Path) -> None:
    """What `./run` starts by itself has the command's words, input, variables and folder."""
    (tmp_path / "mark").mkdir()
    env = {"A b": "'; exit 9 #", "-S": "x", "B": "two\nlines", "C": "$(exit 8)"}
    cmd = ["/bin/sh", "-c", 'cat; printf "%s|" "$@" "$B" "$C"; pwd', "x", "'"]
    pack(tmp_path / "capsule", tmp_path / "mark", env, cmd=cmd, stdin=["$(exit 6)", "'"])
    program = [sys.executable, "-m", "pachlocal.replay", str(tmp_path / "capsule"), "--shell"]
    done = subprocess.run(
        program,
        input="./run; ./run env | grep '^A b='\n",
        env={**os.environ, "SHELL": "/bin/sh", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stdout == "$(exit 6)\n'\n'|two\nlines|$(exit 8)|/\nA b='; exit 9 #\n"
