"""What to say when a call fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from pachlocal.cli.pachctl.client.address import Address

if TYPE_CHECKING:
    import grpc

    from pachlocal.cli.pachctl.client.session import Session

_NO_HOST = ("dns resolution failed", "errors resolving")
_LOST = ("UNAVAILABLE", "UNKNOWN")  # UNKNOWN of a call half sent
_BROKEN_OFF = ("socket closed", "goaway received", "connection reset by peer", "stream removed")
_NO_INPUT = re.compile(r"repo ([\w-]+)/([\w-]+) not found")
_PIPELINE_EXISTS = re.compile(r'pipeline "([^/"]+)/[^"]+" already exists')
_CURE = "this pachlocal's user gets its context by `pachlocal context`, and others from that user"
_NO_SERVER = ("failed to connect", "handshake", "http1", "preface", "header with status")


def call_error() -> type[grpc.RpcError]:
    """Return what failed calls raise, for an `except`.

    That is evaluated when something has been raised; until then gRPC needn't be loaded.
    """
    import grpc

    return grpc.RpcError


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Tell a failed call's status code."""
    # Whatever a stub raises is a call as well; grpc's types don't say so.
    return cast("grpc.Call", error).code()


def explain(
    error: grpc.RpcError, session: Session, elsewhere: Callable[[str], str] = lambda _: ""
) -> str:
    """Say in one line why a call failed.

    Args:
        error: What the call raised.
        session: The session that the call was made in.
        elsewhere: Says which variable leads to a server at another address than this one.
    """
    details = " ".join((cast("grpc.Call", error).details() or "").split())
    code = status_of(error).name
    address = session.server.address
    if code == "UNAVAILABLE" and (of_tls := _explain_handshake(session, details)):
        line = of_tls
    elif code == "UNAVAILABLE" and _never_connected(details):
        line = f"no Pachyderm answers at {address}; {_advice(session, details, elsewhere)}"
    elif code in _LOST and any(sign in details.lower() for sign in _BROKEN_OFF):
        line = f"the connection to {address} broke off before the answer: the server may have ended"
    elif code == "UNIMPLEMENTED" and details in ("", "Method not found!"):
        line = f"the server at {address} doesn't know this call"
    elif "Use GetFileTAR" in details:
        line = "cannot get directory or non-regular file. Try again with the -r flag"
    else:
        line = details or f"the call failed with status {code}"
        if code == "ALREADY_EXISTS" and (match := _PIPELINE_EXISTS.fullmatch(details)):
            line += f"; to change it: pachctl update pipeline{_in(match[1], session)}"
        if code == "NOT_FOUND" and session.joined and session.joined in details:
            line += "; it is active here: leave it by pachctl stop transaction"
        elif code == "NOT_FOUND":
            from pachlocal.cli.pachctl.client.guessing import did_you_mean

            line += did_you_mean(session, details)
    return f"{line} [{code}: {details}]" if session.verbose else line


def explain_refusal(error: grpc.RpcError, session: Session) -> str:
    """Say in one line why a pipeline wasn't created, and what to do where that is known."""
    line = explain(error, session)
    if (match := _NO_INPUT.fullmatch(line)) is not None:
        project, repo = match.groups()
        named = _in(project, session)
        line += f"; create it, or the pipeline that makes it: pachctl create repo {repo}{named}"
    return line


def _in(project: str, session: Session) -> str:
    """Return the option that leads a command to a project, after a blank, if it needs one."""
    return "" if project == session.project() else f" --project {project}"


def _never_connected(details: str) -> bool:
    return any(sign in details.lower() for sign in (*_NO_HOST, *_NO_SERVER))


def _explain_handshake(session: Session, details: str) -> str:
    """Say why TLS couldn't be agreed on; empty when that isn't what failed.

    The signs are those of BoringSSL and gRPC, which have no codes for them.
    """
    address, settings = session.server.address, session.settings
    if "WRONG_VERSION_NUMBER" in details:
        return f"the server at {address} doesn't speak TLS: its address begins with grpc://"
    if "Hostname Verification Check failed" in details:
        return f"the certificate of {address} is for another host, so it may be another server"
    if "CERTIFICATE_VERIFY_FAILED" not in details:
        return ""
    if settings.certificates:
        known = f"isn't the one known to {settings.origin}: it was made anew since"
    else:
        known = f"isn't signed by an authority that is known here: {settings.origin} names none"
    return f"the certificate of {address} {known}, or another server answers; {_CURE}"


def _advice(session: Session, details: str, elsewhere: Callable[[str], str]) -> str:
    if any(sign in details.lower() for sign in _NO_HOST):
        return "there is no host of this name"
    if session.server.address.is_local and (variable := elsewhere(str(session.server.address))):
        return f"your pachlocal runs at another address: export {variable}"
    up = _up_at(session.server.address)
    if session.settings.origin == "default":
        return f"start one with: {up}"
    named = f"the address comes from {session.settings.origin}"
    if session.server.address.is_local:
        return f"start one with: {up} ({named})"
    return named


def _up_at(address: Address) -> str:
    """Return the command that starts a daemon where one was looked for."""
    command = "pachlocal up"
    if address != Address("127.0.0.1") and not address.socket:
        command += f" --address {address.target}" + " --tls" * address.secure
    return command
