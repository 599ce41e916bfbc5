"""What a folder under `pachlocal dev` holds: specifications, and the folders of their images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pachlocal.cli.pachctl.pps.specs import Document, read_specs
from pachlocal.errors import CliError, ImageUnavailableError, InvalidArgumentError
from pachlocal.runtime.code_folder import CodeFolder, Stamp
from pachlocal.runtime.stages import COMPOSE, folder_of, load_stages

_SPECS = (".json", ".yaml", ".yml")
_MOST_BYTES = 2**20  # of a specification; what is larger is data
_PIPELINE = re.compile(r"""(?m)(?:^|[{,\s])["']?pipeline["']?\s*:""")
_INPUT = re.compile(r"""(?m)(?:^|[{,\s])["']?input["']?\s*:""")
_TRANSFORM = re.compile(r"""(?m)(?:^|[{,\s])["']?(?:transform|spout)["']?\s*:""")

_FileStamp: TypeAlias = "tuple[int, int, int]"


@dataclass(slots=True)
class Changes:
    """What is new since the last look.

    Attributes:
        specs: The specifications that were added or changed.
        images: The images whose folders hold something else now.
        problems: What can't be used, a sentence each.
        notes: What else is to be said, a sentence each.
    """

    specs: list[Document] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    stamp: _FileStamp
    documents: list[Document]  # in the last good state
    is_broken: bool  # since then


class Project:
    """A folder's specifications and stages, as they are by the last look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stages: dict[str, Path] = {}
        self._files: dict[Path, _File] = {}
        self._contents: dict[str, dict[str, Stamp] | None] = {}
        self._compose: tuple[Path, _FileStamp] | None = None
        self._compose_is_broken = False
        self._last_problem: dict[str, str] = {}

    @property
    def compose(self) -> Path | None:
        """The folder's compose.yaml, if there is one."""
        return next(
            (self.folder / name for name in COMPOSE if (self.folder / name).is_file()), None
        )

    @property
    def specs(self) -> dict[tuple[str, str], Document]:
        """The specifications by project (empty for the usual one) and name; of two, the first."""
        found: dict[tuple[str, str], Document] = {}
        for file in self._files.values():
            for document in file.documents:
                found.setdefault(key_of(document), document)
        return found

    @property
    def flat_folders(self) -> list[Path]:
        """The folders whose own files may be specifications."""
        found = [self.folder]
        built = set(self.stages.values())
        try:
            below = sorted(self.folder.iterdir())
        except OSError:
            return []
        for path in below:
            hidden = path.name.startswith((".", "_")) or path.name == "node_modules"
            if path.is_dir() and not hidden and path not in built:
                found.append(path)
        return found

    @property
    def code_folders(self) -> list[Path]:
        """The folders of the images that the specifications name, as far as they are there."""
        used = {image_of(document) for document in self.specs.values()}
        folders = {folder_of(self.stages, image) for image in used}
        return sorted(folder for folder in folders if folder is not None and folder.is_dir())

    def look(self) -> Changes:
        """Read what has changed since the last look, and return it."""
        changes = Changes()
        self._look_at_compose(changes)
        seen = set()
        for path in self._candidates():
            seen.add(path)
            self._look_at_file(path, changes)
        for path in [path for path in self._files if path not in seen]:
            self._drop(path, changes)
        self._look_at_code(changes)
        return changes

    def shown(self, path: Path) -> str:
        """Return a path as it is to be shown."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def _candidates(self) -> Iterator[Path]:
        for folder in self.flat_folders:
            try:
                listed = sorted(folder.iterdir())
            except OSError:
                continue
            for path in listed:
                is_spec = path.suffix.lower() in _SPECS and path.name not in COMPOSE
                if is_spec and not path.name.startswith(".") and path.is_file():
                    yield path

    def _drop(self, path: Path, changes: Changes) -> None:
        """Forget a file that is gone."""
        before = self.specs
        for document in self._files.pop(path).documents:
            key = key_of(document)
            project, name = key
            other = self.specs.get(key)
            if other is None:
                named = f" --project {project}" if project else ""
                stays = f"{name} stays, until: pachctl delete pipeline {name}{named}"
            else:
                stays = f"{name} is as {other.place} says"
                if other.spec != before[key].spec:
                    changes.specs.append(other)
            changes.notes.append(f"{self.shown(path)} is gone; {stays}")

    def _look_at_file(self, path: Path, changes: Changes) -> None:
        stamp = _stamp(path)
        known = self._files.get(path)
        if stamp is None or (known is not None and known.stamp == stamp):
            return
        before = known.documents if known is not None else []
        documents: list[Document] = []
        is_broken = False
        try:
            if stamp[1] <= _MOST_BYTES and _is_meant(path.read_bytes(), known=bool(before)):
                documents = [
                    document._replace(place=self.shown(path)) for document in read_specs(str(path))
                ]
        except (CliError, OSError) as error:
            text = str(error).replace(str(path), self.shown(path))
            if isinstance(error, OSError):
                text = f"{self.shown(path)}: {error.strerror}"
            changes.problems.append(text + ("; its previous content still applies" * bool(before)))
            documents, is_broken = before, True
        self._files[path] = _File(stamp, documents, is_broken)
        if known is not None and known.is_broken and not is_broken:
            changes.notes.append(f"{self.shown(path)} is in order again")
        old = {key_of(document): document.spec for document in before}
        for document in documents:
            if old.get(key_of(document)) != document.spec:
                if self.specs[key_of(document)] is not document:
                    first = self.specs[key_of(document)].place
                    name = document.request.pipeline.name
                    changes.problems.append(f"{document.place}: {name} is also in {first}")
                else:
                    changes.specs.append(document)

    def _look_at_compose(self, changes: Changes) -> None:
        path = self.compose
        stamp = _stamp(path) if path is not None else None
        if path is None or stamp is None:
            if self._compose is not None:
                changes.problems.append(
                    f"{self._compose[0].name} is gone; its previous content still applies"
                )
                self._compose_is_broken = True
            self._compose = None
        elif self._compose != (path, stamp):
            self._compose = path, stamp
            try:
                self.stages = load_stages(path)
            except InvalidArgumentError as error:
                text = str(error).replace(str(path), path.name)
                changes.problems.append(f"{text}; its previous content still applies")
                self._compose_is_broken = True
                return
            if self._compose_is_broken:
                changes.notes.append(f"{path.name} is in order again")
            self._compose_is_broken = False

    def _look_at_code(self, changes: Changes) -> None:
        for image in {image_of(document) for document in self.specs.values()}:
            folder = folder_of(self.stages, image)
            if folder is None:
                self._contents.pop(image, None)
                continue
            problem, now = "", None
            try:
                now = CodeFolder(image, folder).scan()
            except (ImageUnavailableError, OSError) as error:
                problem = f"{error}; {_GOES_ON}"
            if problem and problem != self._last_problem.get(image):
                changes.problems.append(problem)
            was, self._last_problem[image] = self._last_problem.get(image), problem
            if problem:
                continue
            if was:
                changes.notes.append(f"the folder of image {image} is back")
            if image in self._contents and self._contents[image] != now:
                changes.images.add(image)
            self._contents[image] = now


_GOES_ON = "until it is back, the pipeline stays as it is"


def key_of(document: Document) -> tuple[str, str]:
    """Return what names a document's pipeline: its project (empty if it says none) and name."""
    pipeline = document.request.pipeline
    return pipeline.project.name, pipeline.name


def image_of(document: Document) -> str:
    """Return the image that a document's pipeline runs; empty if it says none."""
    return document.request.transform.image


def _is_meant(data: bytes, *, known: bool) -> bool:
    """Whether a file looks like a specification, right or wrong."""
    text = data.decode("utf-8", "replace")
    # Two of the three are enough: one of them may be misspelt.
    return known or sum(bool(it.search(text)) for it in (_PIPELINE, _TRANSFORM, _INPUT)) > 1


def _stamp(path: Path) -> _FileStamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
