"""Packs this repository with all that it needs, for a room without internet: `make offline-bundle`.

dist/pachlocal-offline-VERSION.tar.gz holds the last commit's files, the wheels that
requirements/run.txt and the Python stages pin, and the script that makes the environments of them.
"""

from __future__ import annotations

import argparse
import gzip
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.markers import Marker, default_environment

import pachlocal

ROOT = Path(__file__).parents[1]
LOCKS = (
    "requirements/run.txt",
    "python/iris-infer-python/requirements.txt",
    "python/iris-report/requirements.txt",
)
PAGE = ROOT / "pachlocal" / "web" / "bundle"
_PIN = re.compile(
    r"^([^ #;]+==[^ ;\\]+) *(?:; *(.*?))?( \\(?:\n    --hash=\S+(?: \\)?)+)", re.MULTILINE
)
_LEVEL = 1  # wheels are compressed already


def main(argv: Sequence[str] | None = None) -> None:
    """Run it."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    parser = argparse.ArgumentParser(prog="make offline-bundle", description=__doc__)
    parser.add_argument("versions", nargs="*", metavar="X.Y", help="of Python; if none, this one's")
    versions = parser.parse_args(argv).versions or [here]
    if wrong := [it for it in versions if not re.fullmatch(r"3\.\d+", it)]:
        parser.error(f"{wrong[0]} is not a version of Python such as {here}")
    bundle = ROOT / "dist" / f"pachlocal-offline-{pachlocal.__version__}.tar.gz"
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder) / "wheels"
        for version in versions:
            download(version, wheels)
        write(bundle, wheels, versions)
    size = bundle.stat().st_size / 2**20
    print(f"{bundle.relative_to(ROOT)}: {size:.0f} MiB, for Python {', '.join(versions)} and this")
    print("kind of machine; to be unpacked, and then: ./install && make demo")


def pins(lock: str, version: str) -> list[str]:
    """Choose the pins that a version of Python needs on this platform.

    pip evaluates markers for the Python that it runs in, whatever --python-version says.

    Args:
        lock: The text of a lock file.
        version: Such as 3.12.
    """
    environment: dict[str, str] = {
        **default_environment(),  # type: ignore[dict-item]  # a TypedDict of nothing but str
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_version": f"{version}.0",
    }
    return [
        f"{pin}{hashes}"
        for pin, marker, hashes in _PIN.findall(lock)
        if not marker or Marker(marker).evaluate(environment)
    ]


def download(version: str, folder: Path) -> None:
    """Fetch the wheels for a version of Python, checked against the hashes of the lock files."""
    for lock in LOCKS:
        _download(pins((ROOT / lock).read_text(), version), version, folder)


def _download(wanted: Sequence[str], version: str, folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", version),
            *("--dest", str(folder), "-r", file.name),
        ]
        subprocess.run(command, check=True)


def write(bundle: Path, wheels: Path, versions: Sequence[str]) -> None:
    """Write the bundle.

    Args:
        bundle: The file.
        wheels: The folder of the wheels.
        versions: The versions of Python that they are for.
    """
    top = bundle.name.removesuffix(".tar.gz")
    archive = subprocess.run(
        ["git", "archive", f"--prefix={top}/", "HEAD"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    bundle.parent.mkdir(exist_ok=True)
    with (
        bundle.open("wb") as out,
        # Without a name and a time in it, the same content makes the same file.
        gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
        tarfile.open(fileobj=io.BytesIO(archive)) as repository,
    ):
        for entry in repository:
            tar.addfile(entry, repository.extractfile(entry) if entry.isfile() else None)
        _add(tar, f"{top}/install", (ROOT / "offline" / "install").read_bytes(), 0o755)
        _add(tar, f"{top}/wheels/python-versions", "\n".join([*versions, ""]).encode())
        for part in sorted(PAGE.iterdir()):  # built, since that takes a network
            _add(tar, f"{top}/{part.relative_to(ROOT)}", part.read_bytes())
        for wheel in sorted(wheels.iterdir()):
            _add(tar, f"{top}/wheels/{wheel.name}", wheel.read_bytes())


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"offline-bundle: {error.cmd[0]} failed with exit code {error.returncode}")
