"""The Linux calls that Python 3.10 has no function for, through the C library."""

from __future__ import annotations

import ctypes
import os

# <sched.h>, clone(2)
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000

# <sys/mount.h>, mount(2)
MS_NOSUID = 1 << 1
MS_NODEV = 1 << 2
MS_NOEXEC = 1 << 3
MS_BIND = 1 << 12
MS_REC = 1 << 14
MS_UNBINDABLE = 1 << 17
MS_SLAVE = 1 << 19
MNT_DETACH = 2

# <sys/prctl.h>, prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces that the CLONE_NEW* flags name: see the manual, section 2."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system or change a mount: see the manual, section 2."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {target}")


def detach(target: str) -> None:
    """Take a mount and all below it out of sight, see umount2(2), MNT_DETACH."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def pivot_root(new_root: str, old_root: str) -> None:
    """Make a mount the root: see the manual, section 2."""
    _check(_libc.pivot_root(os.fsencode(new_root), os.fsencode(old_root)), "pivot_root")


def prctl(option: int, value: int) -> None:
    """Change a property of this process: see the manual, section 2."""
    zero = ctypes.c_ulong(0)
    result = _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero)
    _check(result, "prctl")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
