"""What the tests of PFS build stores, commits and trees from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pachlocal.pfs.files import resolve
from pachlocal.pfs.filesystem import FileSystem
from pachlocal.pfs.history import branches, commits, history, repos
from pachlocal.pfs.history.names import BranchName, CommitName, RepoName
from pachlocal.pfs.history.records import BranchInfo, CommitInfo
from pachlocal.pfs.tree import content, tree
from pachlocal.pfs.tree.changes import Changes
from pachlocal.pfs.tree.content import Content, ContentWriter, Immediate
from pachlocal.pfs.tree.entries import Entry, Root
from pachlocal.storage.objects import hash_of


class MemoryObjects(Immediate):
    """Objects in a dict; counts what is put and got."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.gets = 0
        self.puts = 0

    def put(self, data: bytes) -> bytes:
        self.puts += 1
        name = hash_of(data)
        self.stored[name] = data
        return name

    def get(self, name: bytes) -> bytes:
        self.gets += 1
        return self.stored[name]


def make_content(objects: MemoryObjects, *pieces: bytes) -> Content:
    writer = ContentWriter(objects)
    for piece in pieces:
        writer.write(piece)
    return writer.finish()


def make_entry(objects: MemoryObjects, path: str, data: bytes) -> Entry:
    return Entry.of_file(path.rsplit("/", 1)[-1], make_content(objects, data))


def make_tree(objects: MemoryObjects, files: Mapping[str, bytes]) -> Root:
    changes = Changes()
    for path, data in files.items():
        changes.set(path, make_entry(objects, path, data))
    return tree.apply(objects, None, changes)


def contents_of(objects: content.Reader, root: Root) -> dict[str, bytes]:
    return {
        path: b"".join(content.read(objects, entry.content))
        for path, entry in tree.files(objects, root)
    }


def folders_of(files: Iterable[str]) -> set[str]:
    """Return every folder that the paths lie in, the root left out: `/a/`, `/a/b/`."""
    return {path[: at + 1] for path in files for at in range(1, len(path)) if path[at] == "/"}


def repo(name: str, type_: str = "user") -> RepoName:
    return RepoName("default", name, type_)


def branch(name: str, of: str = "master") -> BranchName:
    return BranchName(repo(name), of)


def make_repos(files: FileSystem, *names: str) -> None:
    with files.transaction() as tx:
        for name in names:
            repos.create_repo(tx, repo(name), update=False)


def make_branch(files: FileSystem, name: BranchName, *provenance: BranchName) -> BranchInfo:
    with files.transaction() as tx:
        key = branches.create(tx, name, provenance=provenance)
    with files.snapshot() as connection:
        return branches.by_key(connection, key)


def make_commit(
    files: FileSystem, to: BranchName, content_of: Mapping[str, bytes] | None = None
) -> CommitInfo:
    """Put files to a branch in a commit of their own, each in place of what was there."""
    with files.modify(CommitName(to.repo, to.name)) as change:
        for path, data in (content_of or {"/file": b"content"}).items():
            change.delete(path)
            change.add(path, data)
    return head(files, to)


def start_commit(files: FileSystem, on: BranchName) -> CommitInfo:
    with files.transaction() as tx:
        return history.start(tx, on)


def finish_commit(files: FileSystem, commit: CommitInfo, error: str = "") -> CommitInfo:
    with files.transaction() as tx:
        return commits.finish(tx, files.objects, commit, error=error)


def head(files: FileSystem, of: BranchName) -> CommitInfo:
    return find(files, CommitName(of.repo, of.name))


def find(files: FileSystem, name: CommitName) -> CommitInfo:
    with files.snapshot() as connection:
        return resolve.resolve(connection, name)


def shown(files: FileSystem, commit: CommitInfo) -> dict[str, bytes]:
    """Return the files of a commit as it is now."""
    return contents_of(files.objects, find(files, commit.name).root)
