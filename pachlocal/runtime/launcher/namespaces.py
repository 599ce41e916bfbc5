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

from . import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn


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


def become_first_process(close: tuple[int, ...]) -> None:
    """Return in a child that is process 1 of the new PID namespace: all others die with it.

    This process stays behind as the guard whose end tells the worker that everything has ended: the
    kernel lets it reap process 1 only when the namespace is empty. SIGTERM makes it kill process 1.

    Args:
        close: Descriptors that the guard must not hold open.
    """
    child = os.fork()
    if child:
        _guard(child, close)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def change_root(root: str, binds: Mapping[str, str], own_pids: bool) -> None:
    """Build the new root and go there.

    Args:
        root: An empty folder to build it on.
        binds: The folders to show, by their path in the new root (one name below `/`).
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
    hidden = {path.lstrip("/") for path in binds}
    if own_pids:
        hidden.add("proc")
        os.mkdir(f"{root}/proc")  # noqa: PTH102 - pathlib would double the launcher's start
        flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
        linux.mount("proc", f"{root}/proc", "proc", flags)
    with os.scandir("/") as entries:
        for entry in entries:
            if entry.name not in hidden:
                _show(entry, f"{root}/{entry.name}")
    for path, source in binds.items():
        os.mkdir(root + path)  # noqa: PTH102
        linux.mount(source, root + path, flags=linux.MS_BIND | linux.MS_REC)
    _enter(root)


class MountWatch:
    """Tells whether the mounts of this process's namespace change: root's commands can do that.

    What is mounted over a folder of `/pfs` hides it from every command that follows.
    """

    def __init__(self) -> None:
        """Begin to watch."""
        mounts = os.open("/proc/self/mounts", os.O_RDONLY)
        self._poller = select.poll()
        self._poller.register(mounts, select.POLLPRI)  # proc(5), /proc/pid/mounts

    def changed(self) -> bool:
        """Whether they have changed since this was last asked."""
        return bool(self._poller.poll(0))


def _guard(child: int, close: tuple[int, ...]) -> NoReturn:
    for fd in close:
        os.close(fd)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _show(entry: os.DirEntry[str], target: str) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), target)  # noqa: PTH115, PTH211
        return
    if entry.is_dir():
        os.mkdir(target)  # noqa: PTH102
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
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
