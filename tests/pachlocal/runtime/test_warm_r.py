"""A run in a warm R is a run in a fresh one, only sooner."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pachlocal.runtime.contract import Invocation, Outcome
from pachlocal.runtime.launch import Isolation
from pachlocal.runtime.worker import ProcessWorker

from .processes import Marked, taking

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all starts are cold"),
    pytest.mark.skipif(
        not shutil.which("Rscript") and not os.environ.get("CI"), reason="R is not installed"
    ),
]

OK = Outcome(0)
WARM = "in a warm interpreter"
SCRIPT = """
source(file.path(Sys.getenv("STAGE"), "modes.R"))
get(Sys.getenv("MODE"))()
cat("the end\\n")
"""
MODES = """
learn <- function() invisible(loadNamespace("tools"))
facts <- function() {
  loadNamespace("tools")
  print(commandArgs())
  env <- Sys.getenv()
  print(env[setdiff(names(env), "R_SESSION_TMPDIR")])
  print(c(getwd(), R.home(), .libPaths(), search(), interactive(), Sys.getlocale()))
  print(c(ls(globalenv(), all.names = TRUE), names(options()), capabilities()))
  print(readLines(file("stdin"), warn = FALSE))
  print(showConnections(all = TRUE))
  print(dirname(tempdir()) == dirname(Sys.getenv("R_SESSION_TMPDIR")))
  print(c(file.exists(tempdir()), tempdir() == Sys.getenv("R_SESSION_TMPDIR")))
  print(format(svd(outer(1:9, 1:9) + diag(9))$d, digits = 15))
  system("env | grep -v R_SESSION_TMPDIR | sort; pwd; readlink /proc/self/fd/3; ls /proc/self/fd")
  invisible(parallel::mclapply(1:2, function(i) cat("child", i, "\\n"), mc.cores = 1))
}
rest <- function() print(readLines(stdin(), n = 1))
number <- function() quit(save = "no", status = 3)
error <- function() stop("wrong")
deep <- function() { f <- function(n) f(n + 1); f(1) }
warned <- function() { warning("first"); warning("second") }
at_exit <- function() {
  reg.finalizer(globalenv(), function(e) cat("freed\\n"), onexit = TRUE)
  assign(".Last", function() cat("last\\n"), globalenv())
}
streams <- function() { cat("out 1\\n"); message("err"); cat("out 2") }
signalled <- function() tools::pskill(Sys.getpid(), 15)
broken <- function() tools::pskill(Sys.getpid(), 9)
forked <- function() print(unlist(parallel::mclapply(1:4, sqrt, mc.cores = 2)))
plotted <- function() { pdf("/dev/null"); plot(1:3); invisible(dev.off()) }
spoil <- function() {
  print(c(exists("held", globalenv()), Sys.getenv("NEW"), getOption("digits"), getwd()))
  print(file.exists(file.path(tempdir(), "mine")))
  assign("held", 1, globalenv())
  Sys.setenv(NEW = "x")
  options(digits = 3)
  writeLines("x", file.path(tempdir(), "mine"))
  setwd("/")
  assign("sum", function(...) 0, globalenv())
}
draw <- function() print(runif(1))
wait <- function() { cat("waiting\\n"); Sys.sleep(100) }
leave <- function() {
  system(paste("setsid", Sys.getenv("LEFT"), "&"))
  system(paste(Sys.getenv("LEFT"), "&"))
}
"""


class R:
    """Runs the script in a worker.

    Attributes:
        notes: What was noted of each run.
    """

    def __init__(self, worker: ProcessWorker) -> None:
        self.worker = worker
        self.notes: list[str] = []

    def invocation(self, mode: str, *, cold: bool = False, **env: str) -> Invocation:
        return Invocation(
            ("Rscript", "/code/main.R", "a b", "/pfs/out"),
            stdin=b"input\n",
            env={"MODE": mode, "STAGE": "/code", **env},
            varying=None if cold else frozenset(("MODE", "LEFT", "in_COMMIT")),
        )

    def run(self, mode: str, *, cold: bool = False, **env: str) -> tuple[Outcome, list[str]]:
        lines: list[str] = []
        outcome = self.worker.run(self.invocation(mode, cold=cold, **env), taking(lines))
        self.notes.append(outcome.note)
        return outcome, lines


@pytest.fixture(
    params=[
        pytest.param(it, marks=[pytest.mark.slow] * (it is not Isolation.MOUNTS_AND_PIDS))
        for it in Isolation
    ],
    ids=lambda isolation: isolation.value,
)
def isolation(request: pytest.FixtureRequest, allowed: set[Isolation]) -> Isolation:
    """As in conftest.py, but only one of them in the quick tests: R takes its time."""
    wanted: Isolation = request.param
    if wanted not in allowed:
        pytest.skip(f"{wanted.value} is refused on this machine")
    return wanted


@pytest.fixture
def r(worker: ProcessWorker, stage: Path) -> R:
    """R whose next run is warm, and has loaded what the ones before did."""
    (stage / "main.R").write_text(SCRIPT)
    (stage / "modes.R").write_text(MODES)
    r = R(worker)
    for _ in range(2):
        r.run("learn")
    return r


def test_the_first_run_is_cold_and_the_others_are_warm(r: R) -> None:
    assert [r.run("learn") for _ in range(2)] == [(OK, ["the end"])] * 2
    assert r.notes == ["", WARM, WARM, WARM]


def test_all_is_as_in_a_cold_start(r: R) -> None:
    modes = [
        *("facts", "rest", "number", "error", "deep", "warned", "at_exit", "streams"),
        *("signalled", "broken", "forked", "plotted"),
    ]
    r.notes.clear()
    cold = {mode: r.run(mode, cold=True, in_COMMIT="1") for mode in modes}
    assert set(r.notes) == {""}
    r.notes.clear()
    warm = {mode: r.run(mode, in_COMMIT="1") for mode in modes}
    assert {mode: (warm[mode], cold[mode]) for mode in modes if warm[mode] != cold[mode]} == {}
    assert set(r.notes) == {WARM}
    assert cold["number"][0].exit_code == 3
    assert cold["error"][1][-1] == "Execution halted"
    assert cold["signalled"][0].exit_code == 143


def test_a_run_finds_nothing_of_the_one_before(r: R) -> None:
    said = [r.run("spoil") for _ in range(3)]
    assert set(r.notes[1:]) == {WARM}
    assert said[0] == said[1] == said[2] == r.run("spoil", cold=True)
    drawn = [tuple(r.run("draw")[1]) for _ in range(3)]
    assert len(set(drawn)) == 3


def test_a_changed_script_and_what_it_sources_are_seen(r: R, stage: Path) -> None:
    (stage / "modes.R").write_text("learn <- function() cat('changed\\n')\n")
    assert r.run("learn") == (OK, ["changed", "the end"])
    assert r.notes[-1] == WARM
    (stage / "main.R").write_text("cat('another\\n')\n")
    assert [r.run("learn") for _ in range(2)] == [(OK, ["another"])] * 2
    assert r.notes[-2:] == ["", WARM]


@pytest.mark.slow
def test_another_library_is_another_interpreter(r: R, stage: Path, tmp_path: Path) -> None:
    (stage / "main.R").write_text("cat(basename(.libPaths()[1]), '\\n')\n")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    said = [r.run("x", R_LIBS=str(folder))[1][0].strip() for folder in (*folders, *folders)]
    assert said == ["one", "two"] * 2
    (stage / "main.R").write_text("invisible(Sys.getenv('R_LIBS'))\n")
    r.run("x", R_LIBS=str(folders[0]))
    r.run("x", R_LIBS=str(folders[0]))
    (folders[0] / "added").mkdir()
    r.run("x", R_LIBS=str(folders[0]))
    changed = f"the warm interpreter was given up: {folders[0]} has changed"
    assert r.notes[-3:] == ["", WARM, changed]


@pytest.mark.slow
def test_a_package_that_writes_when_it_is_loaded_is_left_to_each_run(
    r: R, stage: Path, tmp_path: Path
) -> None:
    (stage / "main.R").write_text("library(loud)\n")
    source, library = tmp_path / "src", tmp_path / "library"
    (source / "R").mkdir(parents=True)
    library.mkdir()
    (source / "DESCRIPTION").write_text(
        "Package: loud\nVersion: 1.0\nTitle: T\nDescription: D.\nLicense: L\nAuthor: A\n"
        "Maintainer: M <m@example.com>\n"
    )
    (source / "NAMESPACE").write_text("")
    (source / "R/loud.R").write_text(".onLoad <- function(...) cat('loaded\\n')\n")
    install = ("R", "CMD", "INSTALL", "--no-test-load", f"--library={library}", str(source))
    assert r.worker.run(Invocation(install), print) == OK
    said = [r.run("x", R_LIBS=str(library)) for _ in range(4)]
    assert said == [(OK, ["loaded"])] * 4
    refused = "always in a cold interpreter: what it loads writes messages"
    assert r.notes[-4:] == ["", WARM, refused, ""]


def test_what_is_loaded_after_a_change_of_the_environment_is_not_loaded_before(
    r: R, stage: Path
) -> None:
    script = """
Sys.setenv(MARK = "1")
cat("tools" %in% loadedNamespaces(), "\\n")
invisible(loadNamespace("tools"))
"""
    (stage / "main.R").write_text(script)
    assert [r.run("x") for _ in range(4)] == [(OK, ["FALSE "])] * 4
    assert r.notes[-1] == WARM


def test_a_killed_run_ends_and_the_next_is_warm(r: R) -> None:
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        r.worker.kill()

    outcome = r.worker.run(r.invocation("wait"), on_line)
    assert (lines, outcome) == (["waiting"], Outcome(137, "the command was stopped"))
    assert outcome.note == WARM
    assert r.run("learn") == (OK, ["the end"])
    assert r.notes[-1] == WARM


def test_what_a_run_leaves_behind_is_dead_when_it_returns(r: R) -> None:
    marked = Marked()
    for _ in range(2):
        assert r.run("leave", LEFT=marked.command)[0] == OK
        assert marked.count() == 0
    assert r.notes[-1] == WARM


def test_other_commands_start_cold(worker: ProcessWorker, stage: Path) -> None:
    for name in ("main.R", "a main.R"):
        (stage / name).write_text("cat('the end\\n')\n")
    commands = (
        ("sh", "-c", "Rscript /code/main.R"),
        ("Rscript", "-e", "cat('the end\\n')"),
        ("Rscript", "--vanilla", "/code/main.R"),
        ("Rscript", "/code/a main.R"),
    )
    for cmd in commands:
        given = Invocation(cmd, varying=frozenset())
        lines: list[str] = []
        assert [worker.run(given, taking(lines)).note for _ in range(2)] == ["", ""]
        assert lines == ["the end"] * 2


@pytest.mark.slow
def test_an_installation_that_cannot_be_warm_starts_cold(
    r: R, stage: Path, open_worker: Callable[..., ProcessWorker], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/Rscript"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("Rscript")} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "bin/R").symlink_to("/bin/false")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    assert [r.run("learn", PATH=path) for _ in range(3)] == [(OK, ["the end"])] * 3
    assert r.notes[-3:] == ["", "always in a cold interpreter: Rscript is not from R 4", ""]
