"""Who commands run as, so that they can write their results and the daemon can remove them.

`/pfs` is a folder of the daemon's user. On a cluster a command runs as the image's user, and so it
does here under a daemon of root, which may do everything with what it leaves. Under another daemon
a command runs as the daemon's user: what the image's user left, mostly root, could not be removed.
Where the spec names a user it is that one, in both cases; what it leaves is then given to the
daemon's user.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from .records import Image

_ROOT = ("", "0", "root")


@dataclass(frozen=True, slots=True)
class Access:
    """How the daemon and a container share a folder.

    Attributes:
        user: Whom the container runs as; empty for the image's user.
        open: Whether `/pfs` must be made writable for all before a command.
        owner: Whom all in `/pfs` must be given to after a command, as numbers of the container;
            empty when the daemon can remove it as it is.
        home: A folder for `HOME`, where the user has none in the image.
    """

    user: str
    open: bool = False
    owner: str = ""
    home: str = ""


def access_to(image: Image, spec_user: str | None, *, rootless: bool) -> Access:
    """Decide for an image.

    Args:
        image: The image.
        spec_user: The user that the pipeline's spec names, if any.
        rootless: Whether Docker runs without root, as the daemon's user: its containers' root.
    """
    daemon = "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"
    can_all = os.getuid() == 0
    if spec_user is None and not can_all:
        given = "HOME" in image.env or rootless
        return Access(daemon, home="" if given else "/tmp")  # noqa: S108 - the container's
    user = spec_user or image.user
    is_root = user.partition(":")[0] in _ROOT
    return Access(
        spec_user or "",
        open=not is_root,
        owner="" if can_all or (rootless and is_root) else daemon,
    )


def open_to_all(folder: Path) -> None:
    """Let every user write to a folder and all that is in it."""
    for place, _, names in os.walk(folder):
        Path(place).chmod(0o777)  # the folder above is the daemon's alone
        for name in names:
            file = Path(place, name)
            mode = file.lstat().st_mode
            if stat.S_ISREG(mode):
                file.chmod(mode | 0o666)
