"""Ends what a command leaves behind: children, grandchildren, daemons that left its session."""

from __future__ import annotations

import contextlib
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .warm import Keeper


def kill_all(group: int, keeper: Keeper) -> None:
    """Send SIGKILL to everything that runs under this process, as far as it can be seen.

    Args:
        group: The command's process group.
        keeper: Its server is left alone.
    """
    if os.getpid() == 1:
        # Process 1 of the worker's PID namespace: -1 is every other process in it, in one step
        # that no fork can slip through (kill(2)). It is every other process for the server too.
        if not keeper.sweep():
            _kill(-1)
        return
    # Nothing may be left in it; macOS says EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    for child in _children():
        if child != keeper.pid:
            _kill(child)


def reap_all(keeper: Keeper) -> None:
    """Wait until everything that was killed is gone, and kill what shows up meanwhile.

    Where this process is a subreaper (prctl(2)) a dying process hands its children to it, whatever
    session they are in. Without /proc (macOS) there is nothing to see: the group was killed, and a
    process that left it is out of reach.
    """
    if os.getpid() == 1 and keeper.pid is None:
        while _reap(-1, 0):
            pass
        return
    while children := [child for child in _children() if child != keeper.pid]:
        for child in children:
            _kill(child)
        _reap(children[0], 0)
    if keeper.pid is None:
        while _reap(-1, os.WNOHANG):
            pass


def _reap(pid: int, flags: int) -> bool:
    try:
        return os.waitpid(pid, flags)[0] != 0
    except ChildProcessError:
        return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # gone already
        os.kill(pid, signal.SIGKILL)


def _children() -> Iterator[int]:
    """This process's children, zombies too; needs Linux's /proc."""
    me = os.getpid()
    try:
        fd = os.open(f"/proc/self/task/{me}/children", os.O_RDONLY)
    except FileNotFoundError:
        yield from _children_by_scan(me)  # a kernel without CONFIG_PROC_CHILDREN
        return
    try:
        listed = b""
        while part := os.read(fd, 1 << 16):
            listed += part
    finally:
        os.close(fd)
    yield from map(int, listed.split())


def _children_by_scan(me: int) -> Iterator[int]:
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib would double the launcher's start
        return
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        try:
            fd = os.open(f"/proc/{name}/stat", os.O_RDONLY)
        except FileNotFoundError:
            continue  # ended since it was listed
        try:
            stat = os.read(fd, 4096)
        except ProcessLookupError:
            continue
        finally:
            os.close(fd)
        # "pid (name) state ppid ...": the name may hold spaces and brackets, proc(5).
        if int(stat.rpartition(b")")[2].split()[1]) == me:
            yield int(name)
