"""Limits of the wire that both ends keep to."""

from __future__ import annotations

MAX_MESSAGE = 20 * 1024 * 1024
"""Bytes of a message, both ways, as every client and server of Pachyderm has it."""
