"""Errors of the domain. The edge turns them into answers: a gRPC status, a line and an exit code.

PachError
├── NotFoundError            a repo, branch, commit, file, pipeline or job that isn't there
├── AlreadyExistsError       a repo or pipeline that is there
├── InvalidArgumentError     a name, path, glob or spec that can't be right
├── FailedPreconditionError  refused in the present state, by a rule of the real server
├── ConflictError            refused in the present state; upstream gives it no code of its own
├── UnsupportedError         exists in Pachyderm and isn't served here
├── DamagedStoreError        stored content is missing or isn't what its hash says
├── StoreLockedError         another daemon has the store
├── RuntimeUnavailableError  what the runtime asked for needs isn't there
├── ImageUnavailableError    an image that the runtime can't run
└── PortUnavailableError     a port of this machine that can't be had
"""

from __future__ import annotations


class PachError(Exception):
    """Root of the errors whose message is meant for the user, as it stands."""


class NotFoundError(PachError):
    """What was named does not exist."""


class AlreadyExistsError(PachError):
    """What was to be created exists."""


class InvalidArgumentError(PachError):
    """The request can't be right, whatever the state of the store."""


class FailedPreconditionError(PachError):
    """The state of the store forbids the request."""


class ConflictError(PachError):
    """The state of the store forbids the request; the real server answers code Unknown here."""


class UnavailableError(PachError):
    """The request can be answered later."""


class UnsupportedError(PachError):
    """The real server could; one machine can't."""


class DamagedStoreError(PachError):
    """Stored content is missing, or differs from what its hash promises."""


class StoreLockedError(PachError):
    """Another daemon works on this store."""


class RuntimeUnavailableError(PachError):
    """What the runtime that was asked for needs isn't there."""


class ImageUnavailableError(PachError):
    """An image can't be run by the runtime in force."""


class PortUnavailableError(PachError):
    """A port of this machine can't be listened on: another program has it, or it is forbidden."""
