"""What pyproject.toml and uv.lock ask for, as lines of a requirements file.

Sources: packaging.python.org/en/latest/specifications/pyproject-toml, and the lock files that uv
writes (their form, docs.astral.sh/uv/concepts/projects/layout, is uv's own; version 1 is read).
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .files import RequirementsError
from .requirements import requirement

_Table: TypeAlias = "dict[str, Any]"
_PYPI = "https://pypi.org/simple"
_LOCK_VERSION = 1


def of_project(text: str) -> tuple[str, ...] | None:
    """Return the dependencies of a pyproject.toml; None if it describes no project.

    The project itself isn't among them: its files are the stage's `/code`.

    Raises:
        RequirementsError: It is broken, or for another Python.
    """
    project = _project(text)
    if project is None:
        return None
    if "dependencies" in project.get("dynamic", ()):
        raise RequirementsError(
            "pyproject.toml leaves its dependencies to a build (dynamic): name them there, or in "
            "requirements.txt"
        )
    listed = project.get("dependencies", [])
    if not isinstance(listed, list) or not all(isinstance(it, str) for it in listed):
        raise RequirementsError("pyproject.toml: project.dependencies must be a list of texts")
    for it in listed:
        try:
            requirement(it)
        except RequirementsError as error:
            raise RequirementsError(f"pyproject.toml: {error}") from error
    return tuple(listed)


def of_lock(project: str, lock: str) -> tuple[str, ...] | None:
    """Return what a uv.lock pins for this Python and machine; None if there is no project.

    Args:
        project: The text of the pyproject.toml beside it.
        lock: The text of the uv.lock.

    Raises:
        RequirementsError: One of them is broken, or for another Python.
    """
    if _project(project) is None:
        return None
    table = load("uv.lock", lock)
    if table.get("version") != _LOCK_VERSION:
        raise RequirementsError(
            f"uv.lock has version {table.get('version')}, and version {_LOCK_VERSION} is read here"
        )
    try:
        return tuple(_Lock(table).lines())
    except (KeyError, TypeError, AttributeError, StopIteration, InvalidMarker) as error:
        raise RequirementsError(f"uv.lock was not written by uv: {error!r}") from error


def _project(text: str) -> _Table | None:
    project = load("pyproject.toml", text).get("project")
    if project is None:
        return None
    if not isinstance(project, dict):
        raise RequirementsError("pyproject.toml: project must be a table")
    asked = project.get("requires-python", "")
    try:
        fits = SpecifierSet(asked).contains(platform.python_version(), prereleases=True)
    except (InvalidSpecifier, TypeError, AttributeError) as error:
        raise RequirementsError(f"pyproject.toml: requires-python: {error}") from error
    if not fits:
        raise RequirementsError(
            f"pyproject.toml asks for Python {asked}, and pachlocal runs with "
            f"{platform.python_version()}: install it with another Python"
        )
    return project


def load(name: str, text: str) -> _Table:
    """Read TOML.

    Args:
        name: Whose text it is, for messages.
        text: The text.

    Raises:
        RequirementsError: It is none.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequirementsError(f"{name}: {error}") from error


class _Lock:
    """The packages of a lock file."""

    def __init__(self, table: _Table) -> None:
        self._packages: list[_Table] = table.get("package", [])
        self._seen: set[tuple[str, str, str]] = set()  # name, version, extra
        self._chosen: dict[tuple[str, str], _Table] = {}

    def lines(self) -> Iterator[str]:
        """Yield a line for each package that is needed, and for each index of them."""
        root = next(it for it in self._packages if self._is_root(it))
        self._follow(root.get("dependencies", []))
        packages = [package for _, package in sorted(self._chosen.items())]
        indexes = {it["source"]["registry"] for it in packages if "registry" in it["source"]}
        for index in sorted(indexes - {_PYPI}):
            option = "--extra-index-url" if "://" in index else "--find-links"
            yield f"{option} {index}"
        # pip takes hashes for all or for none, and there are none for repositories.
        with_hashes = all(map(_hashes, packages))
        for package in packages:
            yield _line(package, with_hashes=with_hashes)

    def _is_root(self, package: _Table) -> bool:
        source = package["source"]
        return "." in (source.get("virtual"), source.get("editable"))

    def _follow(self, dependencies: list[_Table]) -> None:
        for it in dependencies:
            if "marker" in it and not Marker(it["marker"]).evaluate({"extra": ""}):
                continue
            package = next(
                package
                for package in self._packages
                if package["name"] == it["name"]
                and it.get("version") in (None, package.get("version"))
            )
            for extra in ("", *it.get("extra", ())):
                place = (package["name"], package.get("version", ""), extra)
                if place in self._seen:
                    continue
                self._seen.add(place)
                self._chosen[place[:2]] = package
                below = package.get("optional-dependencies", {}).get(extra, [])
                self._follow(below if extra else package.get("dependencies", []))


def _hashes(package: _Table) -> list[str]:
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
    return [f"--hash={it['hash']}" for it in files if "hash" in it]


def _line(package: _Table, *, with_hashes: bool) -> str:
    name, source = package["name"], package["source"]
    if "registry" in source:
        return " ".join([f"{name}=={package['version']}", *(_hashes(package) * with_hashes)])
    if "git" in source:
        address, _, commit = source["git"].partition("#")
        return f"{name} @ git+{address.partition('?')[0]}@{commit}"
    if "url" in source:
        return f"{name} @ {source['url']}"
    raise RequirementsError(
        f"uv.lock takes {name} from a folder, and a stage's own files aren't installed"
    )
