"""Programs that some languages and runtimes need: R, Julia, Docker; and how paths are shown."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from pachlocal.cli.pachlocal.doctor.finding import Finding, Verdict
from pachlocal.cli.pachlocal.doctor.installing import cure_for

_TIMEOUT_S = 60.0  # Julia can take long for its first start
_CRAN = "https://cloud.r-project.org"
_R_PACKAGES = ("MASS", "e1071")
_JULIA_PACKAGES = ("DecisionTree", "JLD2")
_R_PROBE = (
    "cat(R.version.string, Filter(function(p) !requireNamespace(p, quietly = TRUE), "
    f"c({', '.join(repr(name) for name in _R_PACKAGES)})), sep = '\\n')"
)
_JULIA_PROBE = (
    'println("Julia ", VERSION); '
    f"for p in {list(_JULIA_PACKAGES)}; Base.find_package(p) === nothing && println(p); end"
).replace("'", '"')


def check_paths() -> Finding:
    """Whether commands see the true /pfs and /code."""
    printed, error = _run(sys.executable, "-m", "pachlocal.runtime")
    if error:
        return Finding(Verdict.FAIL, "paths", f"no command can be run: {error}")
    if "rewritten" in printed:
        cure = "nothing to do, unless a program has /pfs in its code instead of its arguments"
        return Finding(Verdict.NOTE, "paths", printed, cure)
    return Finding(Verdict.PASS, "paths", printed)


def check_r() -> Finding:
    """R and what the R stages load."""
    if shutil.which("Rscript") is None:
        cure = cure_for("R", "install R and its packages MASS and e1071")
        return Finding(Verdict.NOTE, "r", "Rscript is not on PATH; only the R stages need it", cure)
    printed, error = _run("Rscript", "-e", _R_PROBE)
    names = ", ".join(f'"{name}"' for name in printed.splitlines()[1:])
    return _language(
        "r", printed, error, f"Rscript -e 'install.packages(c({names}), repos = \"{_CRAN}\")'"
    )


def check_julia(compose: Path | None) -> Finding:
    """Julia and what the Julia stages load, in the versions that their folders ask for."""
    if shutil.which("julia") is None:
        cure = cure_for("Julia", "install Julia")
        text = "julia is not on PATH; only the Julia stages need it"
        return Finding(Verdict.NOTE, "julia", text, cure)
    stages = sorted((compose.absolute().parent / "julia").glob("*/packages.jl")) if compose else []
    project = [f"--project={stages[0].parent}"] if stages else []
    printed, error = _run("julia", "--startup-file=no", *project, "-e", _JULIA_PROBE)
    names = ", ".join(f'"{name}"' for name in printed.splitlines()[1:])
    cure = f"julia -e 'using Pkg; Pkg.add([{names}])'"
    if stages:
        cure = f"for stage in {stages[0].parents[1]}/*/; do julia $stage/packages.jl; done"
    return _language("julia", printed, error, cure)


def check_docker() -> Finding:
    """Docker, for `--runtime docker`."""
    unneeded = "only --runtime docker needs it"
    if shutil.which("docker") is None:
        cure = cure_for("Docker", "install Docker")
        return Finding(Verdict.NOTE, "docker", f"docker is not on PATH; {unneeded}", cure)
    version, error = _run("docker", "version", "--format", "{{.Server.Version}}")
    if error:
        text = f"Docker does not answer; {unneeded}: {error}"
        return Finding(Verdict.NOTE, "docker", text, "start Docker, if you want to run images")
    if find_spec("docker") is None:
        cure = "pip install 'pachlocal[docker]', if you want to run images"
        return Finding(Verdict.NOTE, "docker", f"Docker {version}, without its Python SDK", cure)
    return Finding(Verdict.PASS, "docker", f"Docker {version}")


def _language(subject: str, printed: str, error: str, cure: str) -> Finding:
    if error:
        return Finding(Verdict.NOTE, subject, f"does not start: {error}")
    version, *missing = printed.splitlines()
    if missing:
        text = f"{version}, without {' and '.join(missing)}"
        return Finding(Verdict.NOTE, subject, text, cure)
    return Finding(Verdict.PASS, subject, version)


def _run(*command: str) -> tuple[str, str]:
    """Return what a program prints, and why it failed if it did, in one line."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer in {_TIMEOUT_S:.0f} s"
    except OSError as error:
        return "", error.strerror or str(error)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        return "", lines[-1]
    return result.stdout.strip(), ""
