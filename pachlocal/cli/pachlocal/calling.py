"""How `pachlocal` asks a server: the daemon of a store, that of pachctl, or one that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import grpc

from pachlocal.cli.pachctl.client.config import Settings
from pachlocal.cli.pachctl.client.connection import APIClient
from pachlocal.cli.pachctl.client.failures import explain
from pachlocal.cli.pachctl.client.session import Session
from pachlocal.cli.pachlocal.elsewhere import way_to_daemon
from pachlocal.contexts import context_in
from pachlocal.errors import CliError, ConfigError

if TYPE_CHECKING:
    from pachlocal.cli.pachlocal.daemon import Daemon


@contextmanager
def asking(settings: Callable[[], Settings] | None = None) -> Iterator[Session]:
    """Open a session with a server.

    Args:
        settings: Tells where it is; it is the one that pachctl would ask if this isn't given.

    Raises:
        click.ClickException: It doesn't answer, or refuses.
    """
    session = Session()
    try:
        if settings is not None:
            session.settings = settings()
        yield session
    except CliError as error:
        raise click.ClickException(str(error)) from None
    except grpc.RpcError as error:
        named = way_to_daemon if settings is None else lambda _: ""
        raise click.ClickException(explain(error, session, named)) from None
    finally:
        session.close()


@contextmanager
def calling(daemon: Daemon) -> Iterator[APIClient]:
    """Dial the daemon of a store, wherever clients are told to look.

    Raises:
        click.ClickException: It doesn't answer, or refuses.
    """
    with asking(partial(settings_of, daemon)) as session:
        yield session.server


def settings_of(daemon: Daemon) -> Settings:
    """Return how this user's own clients reach a daemon.

    Raises:
        click.ClickException: It has left no word of it.
    """
    try:
        known = context_in(daemon.config)
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from None
    if daemon.socket and Path(daemon.socket).is_socket():  # folders for such are tidied up, too
        return Settings(address=f"unix://{daemon.socket}", token=known.get("session_token", ""))
    return Settings(
        address=daemon.address,
        token=known.get("session_token", ""),
        certificates=known.get("server_cas", ""),
    )
