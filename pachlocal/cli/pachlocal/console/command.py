"""`pachlocal console`: the front of any server, for as long as the command runs."""

from __future__ import annotations

import os
import secrets
import ssl
import sys
import tempfile
from pathlib import Path

import click

from pachlocal.cli.pachctl.client.address import parse_address
from pachlocal.cli.pachctl.client.config import load, settings_at
from pachlocal.cli.pachlocal.console.listening import (
    Listener,
    is_loopback,
    listen,
    listen_nearby,
    parse,
)
from pachlocal.errors import CliError
from pachlocal.web.order import Order

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option(
    "--address",
    metavar="ADDRESS",
    help="The server: grpc://HOST:PORT or grpcs://HOST:PORT.  [default: the one that pachctl uses]",
)
@click.option(
    "--listen",
    "place",
    metavar="HOST:PORT",
    help="The address to serve at.  [default: 127.0.0.1:30080, or a port near it]",
)
@click.option("--certificate", type=_FILE, help="A certificate (PEM), to serve with TLS.")
@click.option("--key", type=_FILE, help="The certificate's key (PEM).")
def console(
    address: str | None, place: str | None, certificate: Path | None, key: Path | None
) -> None:
    """Show a Pachyderm in the browser, and serve it over HTTP, until Ctrl-C.

    `pachlocal up` does this for its own daemon. This command works with any Pachyderm 2.x.

    Example: pachlocal console --address grpcs://pachyderm.example.com:443
    """
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key belong together")
    if certificate is not None:
        _check(certificate, key)
    try:
        settings = settings_at(address, "--address") if address else load()
        server = parse_address(settings.address, settings.origin)
    except CliError as problem:
        raise click.ClickException(str(problem)) from None
    listener = _listen(place, is_secure=certificate is not None)
    token = secrets.token_urlsafe()
    order = Order(
        address=str(server),
        token=settings.token,
        certificates=settings.certificates,
        origins=listener.origins,
        page_token=token,
        cookie=f"pachlocal-{listener.port}",
        certificate=str(certificate.absolute()) if certificate else "",
        key=str(key.absolute()) if key else "",
    )
    click.echo(f"{server} is shown at {listener.link(token)}")
    sys.stdout.flush()
    _become(order, listener)


def _listen(place: str | None, *, is_secure: bool) -> Listener:
    scheme = "https" if is_secure else "http"
    try:
        if place is None and not is_secure:
            return listen_nearby()
        host, port = parse(place or "127.0.0.1:30080")
        if not is_loopback(host) and not is_secure:
            raise click.ClickException(
                f"other machines reach {place}: this requires --certificate and --key"
            )
        return listen(host, port, scheme)
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"can't listen on {place}: {problem.strerror}") from None


def _check(certificate: Path, key: Path | None) -> None:
    """See that TLS can be spoken with a certificate and its key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ValueError):  # an SSLError is an OSError
        raise click.ClickException(
            f"{certificate} and {key} aren't a certificate and its key (PEM)"
        ) from None


def _become(order: Order, listener: Listener) -> None:
    """Go on as the front."""
    with tempfile.TemporaryFile() as file:  # certificates may be more than a pipe holds
        file.write(order.written().encode())
        file.seek(0)
        os.dup2(file.fileno(), 0)
    descriptor = listener.socket.fileno()
    os.set_inheritable(descriptor, True)
    command = [sys.executable, "-m", "pachlocal.web", "--fd", str(descriptor)]
    os.execv(command[0], command)  # noqa: S606 - this very interpreter
