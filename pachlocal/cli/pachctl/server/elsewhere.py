"""Commands of Pachyderm's own pachctl that this one leaves to it, and what there is instead.

Scripts that call them get one line and an exit code. Where a server must be asked, it is: a cluster
without a licence says that there is no access control, and a licensed one is served by
Pachyderm's own pachctl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachctl.options import CONTEXT_SETTINGS, Command, pass_session
from pachlocal.errors import CliError

_WHO_AM_I = "/auth_v2.API/WhoAmI"  # it changes nothing


def _anything(name: str) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command that takes whatever words it is given, as `words`."""

    def declare(function: Callable[..., Any]) -> Command:
        argument = click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[WORD…]")
        settings = {**CONTEXT_SETTINGS, "ignore_unknown_options": True}
        return click.command(name, cls=Command, context_settings=settings)(argument(function))

    return declare


def _asking(name: str, text: str) -> Command:
    @pass_session
    def ask(session: Session, words: tuple[str, ...]) -> None:
        call: Callable[[bytes], bytes] = session.server.channel.unary_unary(_WHO_AM_I)  # type: ignore[assignment]  # it has no serializers
        call(b"")  # raises what a server without access control says
        raise CliError(f"{name} {' '.join(words)}: use Pachyderm's own pachctl for access control")

    ask.__doc__ = f"{text}\n\nA server without a licence has no access control, and says so."
    return _anything(name)(ask)


def _given_up(name: str) -> Command:
    def say_so(words: tuple[str, ...]) -> None:
        print("Deprecated. Please don't use.")

    say_so.__doc__ = "Deprecated by Pachyderm; like Pachyderm's own pachctl, it only prints that."
    return _anything(name)(say_so)


def _instead(name: str, text: str, instead: str) -> Command:
    def refuse(words: tuple[str, ...]) -> None:
        raise CliError(instead)

    refuse.__doc__ = f"{text}\n\nHere: {instead}."
    return _anything(name)(refuse)


auth = _asking("auth", "Manage access control.")
idp = _asking("idp", "Manage identity providers.")
enterprise = _given_up("enterprise")
license_ = _given_up("license")

_KUBECTL = "ask Kubernetes: kubectl get events"
kube_events = _instead("kube-events", "Print the events of Kubernetes.", _KUBECTL)
loki = _instead("loki", "Search logs in Loki.", "there is no Loki; use pachctl logs")
_COPY = "files are copied, not mounted: pachctl get file REPO@BRANCH:/ -r -o FOLDER"
mount = _instead("mount", "Mount repos as folders.", _COPY)
unmount = _instead("unmount", "Unmount repos.", _COPY)
import_kube = _instead(
    "import-kube",
    "Create a context from one of Kubernetes.",
    "name the address instead: pachctl connect grpc://HOST:PORT --alias NAME",
)

_ARCHIVE = "to save and restore a store, use: pachlocal export, pachlocal import"
snapshot = _instead("snapshot", "Save the state of a cluster, to restore it.", _ARCHIVE)

_LOAD = "only a cluster runs them; bench/ measures pachlocal"
pfs_load_test = _instead("pfs-load-test", "Put load on PFS.", _LOAD)
pps_load_test = _instead("pps-load-test", "Put load on PPS.", _LOAD)

_OWN_POD = "only Go programs have it; pachctl debug profile shows where time goes"
trace = _instead("trace", "Trace the server, as Go does.", _OWN_POD)
log_level = _instead(
    "log-level",
    "Set the server's log level.",
    "a daemon of pachlocal logs at one level, to the file that `pachlocal status` names",
)
_DUMP = "a dump is a tar archive of text: tar -tf DUMP"
analyze = _instead("analyze", "Analyze a dump with a server.", _DUMP)
local = _instead(
    "local",
    "Collect diagnostics of this machine, without a server.",
    "use pachlocal doctor, which checks this machine",
)
