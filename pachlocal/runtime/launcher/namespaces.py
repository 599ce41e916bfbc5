"""True `/pfs` and `/code`: a root of our own, in a mount namespace that only the worker sees.

The machine's `/` has no folder `/pfs`, and most users can't make one. So the new root is an empty
tmpfs in which every top-level entry of the machine's root appears (bind mounts), and `/pfs` and
`/code` beside them. Sources: mount_namespaces(7), user_namespaces(7), pid_namespaces(7).
"""

from __future__ import annotations

import errno
import os
import select
import signal

from . import frames, linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    _Tree = dict[str, "_Tree"]
    # A mount's number, which is another's when it is gone, and what tells the same mount of another
    # namespace: device, root in it, path, options; as /proc/pid/mountinfo has them, see proc(5).
    _Mount = tuple[bytes, tuple[bytes, ...]]


def leave(own_pids: bool) -> None:
    """Leave the machine's mount namespace, and for processes started later its PID namespace.

    An ordinary user may do so in a user namespace only, where they keep their own user and group
    number: files that commands make belong to them, and programs that look for HOME find it.

    Raises:
        OSError: The kernel, a container's seccomp filter or a security module refuses it.
    """
    flags = linux.CLONE_NEWNS | (linux.CLONE_NEWPID if own_pids else 0)
    try:
        linux.unshare(flags)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
    else:
        return
    user, group = os.geteuid(), os.getegid()
    linux.unshare(flags | linux.CLONE_NEWUSER)
    # The kernel takes a user's own group map only once setgroups(2) is off: user_namespaces(7).
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def become_first_process(requests: int, replies: int) -> None:
    """Return in a child that is process 1 of the new PID namespace: all others die with it.

    This process stays behind as the guard whose end tells the worker that everything has ended: the
    kernel lets it reap process 1 only when the namespace is empty. SIGTERM makes it kill process 1.

    Args:
        requests: Where the worker asks; the guard doesn't hold it open.
        replies: Where the guard says which process that child is; it doesn't hold it open either.
    """
    child = os.fork()
    if child:
        frames.write_frame(replies, frames.GUARDED, [b"%d" % child])
        _guard(child, (requests, replies))
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def change_root(root: str, binds: Mapping[str, str], own_pids: bool) -> None:
    """Build the new root and go there.

    Args:
        root: An empty folder to build it on.
        binds: The folders and files to show, by their path in the new root. The folder that one is
            in is the machine's, with what it holds there.
        own_pids: Whether this process is in a PID namespace of its own, which needs its own /proc.

    Raises:
        OSError: A mount was refused.
    """
    # Slaves: what is unmounted on the machine goes here too (a private mount would keep a disk
    # busy), and nothing that is mounted here is seen there.
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_SLAVE)
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755")
    # The folder that holds `root` is bound below too, and must not take this tree along.
    linux.mount("none", root, flags=linux.MS_UNBINDABLE)
    hidden = _tree_of(binds)
    if own_pids:
        hidden["proc"] = {}
        os.mkdir(f"{root}/proc")  # noqa: PTH102 - pathlib would double the launcher's start
        flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
        linux.mount("proc", f"{root}/proc", "proc", flags)
    _show_all("/", root, hidden)
    for path, source in binds.items():
        if os.path.isdir(source):  # noqa: PTH112
            os.mkdir(root + path)  # noqa: PTH102
        else:
            _make_file(root + path)
        linux.mount(source, root + path, flags=linux.MS_BIND | linux.MS_REC)
    _enter(root)


class MountWatch:
    """Tells whether commands change the mounts of this process's namespace: root's can do that.

    What is mounted over a folder of `/pfs` hides it from every command that follows. What the
    machine mounts and unmounts comes here too, and doesn't count: a container that Docker starts is
    enough. The two are told apart by the machine's own table. (Peer groups don't tell: the kernel
    gives the number of one that is gone to the next.)
    """

    def __init__(self, machine: int) -> None:
        """Begin to watch.

        Args:
            machine: The machine's table, see `open_mounts`.
        """
        self._machine = machine
        self._here = open_mounts()
        self._poller = select.poll()
        self._poller.register(self._here, select.POLLPRI)  # proc(5), /proc/pid/mounts
        self._mounts = _read_mounts(self._here)
        self._ours = self._not_of_the_machine(self._mounts)

    def changed(self) -> bool:
        """Whether commands have changed them since this was last asked."""
        if not self._poller.poll(0):
            return False
        before, now = self._mounts, _read_mounts(self._here)
        self._mounts = now
        gone = before - now
        return bool(
            self._not_of_the_machine(now - before) or gone & self._ours or self._still_there(gone)
        )

    def _not_of_the_machine(self, mounts: set[_Mount]) -> set[_Mount]:
        places = _places(_read_mounts(self._machine))
        ours = {mount for mount in mounts if mount[1] not in places}
        # What the machine has unmounted in between is gone here as well by now.
        return ours & _read_mounts(self._here) if ours else ours

    def _still_there(self, gone: set[_Mount]) -> bool:
        """Whether the machine still has a mount that is gone here, and won't come here again."""
        if not gone:
            return False
        lost = _places(gone) & _places(_read_mounts(self._machine))
        return bool(lost - _places(_read_mounts(self._here)))


def open_mounts() -> int:
    """Open the table of this process's mounts; it stays that of the namespace of this moment."""
    return os.open("/proc/self/mountinfo", os.O_RDONLY)


def _places(mounts: set[_Mount]) -> set[tuple[bytes, ...]]:
    return {place for _, place in mounts}


def _read_mounts(table: int) -> set[_Mount]:
    os.lseek(table, 0, os.SEEK_SET)
    text = b""
    while part := os.read(table, 1 << 16):
        text += part
    lines = (line.split(b" ", 6) for line in text.splitlines())
    return {(line[0], tuple(line[2:6])) for line in lines}


def _guard(child: int, close: tuple[int, ...]) -> NoReturn:
    for fd in close:
        os.close(fd)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _tree_of(paths: Mapping[str, str]) -> _Tree:
    """Sort paths into folders by name; those of them alone have nothing in them."""
    tree: _Tree = {}
    for path in paths:
        at = tree
        for name in path.strip("/").split("/"):
            at = at.setdefault(name, {})
    return tree


def _show_all(source: str, target: str, hidden: _Tree) -> None:
    """Show what is in a folder, but for what is hidden there."""
    with os.scandir(source) as entries:
        for entry in entries:
            below = hidden.get(entry.name)
            path = f"{target}/{entry.name}"
            if below is None:
                _show(entry, path)
            elif below:
                os.mkdir(path)  # noqa: PTH102
                _show_all(entry.path, path, below)


def _make_file(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def _show(entry: os.DirEntry[str], target: str) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), target)  # noqa: PTH115, PTH211
        return
    if entry.is_dir():
        os.mkdir(target)  # noqa: PTH102
    else:
        _make_file(target)
    linux.mount(entry.path, target, flags=linux.MS_BIND | linux.MS_REC)


def _enter(root: str) -> None:
    os.chdir(root)
    try:
        # pivot_root(2), NOTES: the old root ends up on top of the new one, where it is detached.
        linux.pivot_root(".", ".")
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        os.chroot(".")  # the root is an initramfs, or no mount: pivot_root can't
    else:
        linux.detach(".")
    os.chdir("/")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
