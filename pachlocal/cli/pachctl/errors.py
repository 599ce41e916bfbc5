"""What the user is told when a command can't do its work."""

from __future__ import annotations


class CliError(Exception):
    """Ends a command with exit code 1; its message is the one line that is printed."""
