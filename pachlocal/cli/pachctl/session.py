"""What one call of pachctl carries from command to command: options, settings, the connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pachlocal.cli.pachctl.config import Settings, load

if TYPE_CHECKING:
    from pachlocal.cli.pachctl.connection import Server


class Session:
    """The state of one call. Settings are read and the server is dialled when first asked for."""

    def __init__(self) -> None:
        self.verbose = False

    @cached_property
    def settings(self) -> Settings:
        """Where the server is and which project is meant, from environment and configuration."""
        return load()

    @cached_property
    def server(self) -> Server:
        """The server's services."""
        from pachlocal.cli.pachctl.connection import Server

        return Server(self.settings)

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
