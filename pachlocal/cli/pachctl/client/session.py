"""What one call of pachctl carries from command to command: options, settings, the connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pachlocal.cli.pachctl.client.address import parse_address
from pachlocal.cli.pachctl.client.config import Settings, load

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.client.connection import APIClient


class Session:
    """The state of one call. Settings are read and the server is dialled when first asked for."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Begin a call.

        Args:
            settings: Those of a caller that has its own.
        """
        self._given = settings
        self.verbose = False
        self.old_dialect = False  # whether it is a command of 1.4
        self.joined = ""  # the id of the transaction that this call's writes are added to

    @cached_property
    def settings(self) -> Settings:
        """Where the server is and which project is meant, from environment and configuration."""
        return self._given or load(old_dialect=self.old_dialect)

    @cached_property
    def server(self) -> APIClient:
        """The server's services."""
        from pachlocal.cli.pachctl.client.connection import APIClient

        return APIClient(self.settings, self.joined)

    @property
    def active_transaction(self) -> str:
        """The id of the transaction that is open on the server and taking writes; empty if none."""
        from pachlocal.cli.pachctl.client.state import active_transaction

        return active_transaction(self._address)

    @active_transaction.setter
    def active_transaction(self, id_: str) -> None:
        from pachlocal.cli.pachctl.client.state import set_active_transaction

        set_active_transaction(self._address, id_)

    def join_transaction(self) -> None:
        """Let this call's writes be added to the active transaction, if there is one."""
        self.joined = self.active_transaction

    @property
    def _address(self) -> str:
        return str(parse_address(self.settings.address, self.settings.origin))

    def project(self, name: str | None = None) -> str:
        """Name the project to work in.

        Args:
            name: What --project says, if it was given.
        """
        return name or self.settings.project

    def close(self) -> None:
        """Hang up, if a server was dialled."""
        if "server" in self.__dict__:
            self.server.close()
