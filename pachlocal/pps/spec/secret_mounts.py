"""Where a spec says that its command finds a secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecretMount:
    """Where a command finds a secret.

    Attributes:
        name: The secret.
        key: Which of its values `env_var` holds.
        env_var: A variable; empty for none.
        mount_path: A folder with a file for each key; empty for none.
    """

    name: str
    key: str = ""
    env_var: str = ""
    mount_path: str = ""
