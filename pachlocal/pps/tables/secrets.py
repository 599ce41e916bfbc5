"""Secrets: values that commands get and that no list, log or job shows.

They lie in the store as they are; only its owner can enter its folder. They come as the JSON of a
Kubernetes Secret, see https://kubernetes.io/docs/concepts/configuration/secret/.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pachlocal.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    SecretUnavailableError,
)
from pachlocal.pfs.history.transaction import Transaction
from pachlocal.pps.spec.secret_mounts import SecretMount
from pachlocal.storage.database import Connection, Row
from pachlocal.untrusted import parse_json

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_DEFAULT_TYPE = "Opaque"


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """What may be told of a secret.

    Attributes:
        name: Its name.
        type: Its type, as Kubernetes has them.
        created: When (ns since 1970).
    """

    name: str
    type: str
    created: int


def create(tx: Transaction, file: bytes) -> None:
    """Store a secret.

    Args:
        tx: The transaction.
        file: The JSON of a Kubernetes Secret: `metadata.name`, and `data` (base64) or `stringData`.

    Raises:
        InvalidArgumentError: It isn't one; the message doesn't quote it.
        AlreadyExistsError: There is one of this name.
    """
    try:
        secret = parse_json(file)
    except ValueError:  # whose message might quote it
        raise InvalidArgumentError("failed to unmarshal secret: this isn't JSON") from None
    name, type_, data = _checked(secret)
    if _row(tx.connection, name) is not None:
        raise AlreadyExistsError(f'failed to create secret: secrets "{name}" already exists')
    tx.connection.execute(
        "INSERT INTO secrets VALUES (?, ?, ?, ?)", (name, type_, tx.now, json.dumps(data))
    )


def inspect(connection: Connection, name: str) -> SecretInfo:
    """Return what may be told of a secret.

    Raises:
        NotFoundError: There is none of this name.
    """
    row = _row(connection, name)
    if row is None:
        raise NotFoundError(f'failed to get secret: secrets "{name}" not found')
    return SecretInfo(row["name"], row["type"], row["created"])


def list_secrets(connection: Connection) -> list[SecretInfo]:
    """Return what may be told of all secrets, by name."""
    rows = connection.execute("SELECT name, type, created FROM secrets ORDER BY name")
    return [SecretInfo(row["name"], row["type"], row["created"]) for row in rows]


def delete(tx: Transaction, name: str) -> None:
    """Delete a secret.

    Raises:
        NotFoundError: There is none of this name.
    """
    if tx.connection.execute("DELETE FROM secrets WHERE name = ?", (name,)).rowcount == 0:
        raise NotFoundError(f'failed to delete secret: secrets "{name}" not found')


def delete_all(tx: Transaction) -> None:
    """Delete all secrets."""
    tx.connection.execute("DELETE FROM secrets")


def check(connection: Connection, mounts: Iterable[SecretMount]) -> None:
    """See to it that what a new spec asks for is there.

    Raises:
        FailedPreconditionError: A secret isn't, or lacks the key that is to be a variable.
    """
    for mount in mounts:
        if _row(connection, mount.name) is None:
            raise FailedPreconditionError(f"missing Kubernetes secret {mount.name}")
        if mount.env_var and mount.key not in _values(connection, mount.name):
            raise FailedPreconditionError(f"Kubernetes secret {mount.name} missing key {mount.key}")


def variables(connection: Connection, mounts: Iterable[SecretMount]) -> dict[str, str]:
    """Return the variables that a transform asks for.

    Raises:
        SecretUnavailableError: A secret, or a key of it, isn't there.
    """
    found = {}
    for mount in mounts:
        if mount.env_var:
            values = _values(connection, mount.name)
            if mount.key not in values:
                raise SecretUnavailableError(f'secret "{mount.name}" has no key {mount.key!r}')
            found[mount.env_var] = values[mount.key].decode(errors="surrogateescape")
    return found


def folders(
    connection: Connection, mounts: Iterable[SecretMount]
) -> dict[str, Mapping[str, bytes]]:
    """Return the folders that a transform asks for: by path, the files by name.

    Raises:
        SecretUnavailableError: A secret isn't there.
    """
    return {
        mount.mount_path: _values(connection, mount.name) for mount in mounts if mount.mount_path
    }


def _values(connection: Connection, name: str) -> dict[str, bytes]:
    row = _row(connection, name)
    if row is None:
        raise SecretUnavailableError(
            f'secret "{name}" not found: make it with `pachctl create secret -f FILE`'
        )
    data: dict[str, str] = json.loads(row["data"])
    return {key: base64.b64decode(value) for key, value in data.items()}


def _row(connection: Connection, name: str) -> Row | None:
    row: Row | None = connection.execute("SELECT * FROM secrets WHERE name = ?", (name,)).fetchone()
    return row


def _checked(secret: Any) -> tuple[str, str, dict[str, str]]:
    """Return a secret's name, type and data (base64)."""
    if not isinstance(secret, dict) or secret.get("kind", "Secret") != "Secret":
        raise InvalidArgumentError("failed to unmarshal secret: this isn't a Kubernetes Secret")
    metadata = secret.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            "failed to create secret: metadata.name must be lower case letters, digits, `-` and `.`"
        )
    data = {}
    for field in ("data", "stringData"):  # the latter wins
        values = secret.get(field) or {}
        if not isinstance(values, dict):
            raise InvalidArgumentError(f"failed to unmarshal secret: {field} isn't an object")
        for key, value in values.items():
            data[_key(key)] = _encoded(value, f"{field}.{key}", plain=field == "stringData")
    type_ = secret.get("type") or _DEFAULT_TYPE
    if not isinstance(type_, str):
        raise InvalidArgumentError("failed to unmarshal secret: type isn't a string")
    return name, type_, data


def _key(key: str) -> str:
    if not _KEY.fullmatch(key) or key in (".", ".."):
        raise InvalidArgumentError(
            f"failed to create secret: key {key!r} must be letters, digits, `-`, `_` and `.`"
        )
    return key


def _encoded(value: object, where: str, *, plain: bool) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"failed to unmarshal secret: {where} isn't a string")
    if plain:
        return base64.b64encode(value.encode()).decode()
    try:
        base64.b64decode(value, validate=True)
    except ValueError:  # not ASCII, or no base64
        raise InvalidArgumentError(
            f"failed to unmarshal secret: {where} isn't base64; plain text goes to stringData"
        ) from None
    return value
