from __future__ import annotations

from pathlib import Path

import pytest

from pachlocal.errors import ImageUnavailableError
from pachlocal.runtime.contract import Invocation, Outcome, WorkerSpec
from pachlocal.runtime.process import ProcessRuntime

from .processes import taking

SECRETS = {"/secrets/db": {"user": b"ann", "password": b"hunter2"}, "/secrets/web": {"key": b"k"}}


@pytest.mark.parametrize("rewrite_paths", [False, True])
def test_commands_find_secrets_where_they_ask_for_them(tmp_path: Path, rewrite_paths: bool) -> None:
    runtime = ProcessRuntime(tmp_path / "scratch", {}, rewrite_paths=rewrite_paths)
    worker = runtime.open_worker(WorkerSpec("w", "x", secrets=SECRETS))
    lines: list[str] = []
    script = b"cat /secrets/db/password; echo; cat /secrets/web/key; echo; ls /secrets/db\n"
    assert worker.run(Invocation(("sh",), script), taking(lines)) == Outcome(0)
    folder = tmp_path / "scratch" / "w" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    worker.close()
    assert lines == ["hunter2", "k", "password", "user"]
    assert not folder.exists()


def test_a_folder_of_the_machine_is_not_hidden(tmp_path: Path) -> None:
    runtime = ProcessRuntime(tmp_path / "scratch", {}, rewrite_paths=True)
    with pytest.raises(
        ImageUnavailableError, match=r"can't be shown at /etc/keys: .* use a mount_path such as"
    ):
        runtime.open_worker(WorkerSpec("w", "x", secrets={"/etc/keys": {"a": b""}}))
    assert not (tmp_path / "scratch" / "w").exists()


def test_what_they_hold_is_not_printed() -> None:
    assert "hunter2" not in repr(WorkerSpec("w", "x", secrets=SECRETS))
