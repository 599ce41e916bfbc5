"""Errors of the domain. The API maps them to gRPC statuses, the CLI to a line and an exit code.

PachError
├── NotFoundError            a repo, branch, commit, file, pipeline or job that isn't there
├── AlreadyExistsError       a repo or pipeline that is there
├── InvalidArgumentError     a name, path, glob or spec that can't be right
│   ├── OutputError              what a command left in /pfs/out can't be files of a commit
│   └── StricterError            the real server takes it
├── FailedPreconditionError  refused in the present state
│   └── DuplicateOutputError     two datums of a job wrote the same path
├── UnsupportedError         exists in Pachyderm and isn't served here
├── TooManyCallsError        more calls at once than there are threads for
├── DamagedStoreError        stored content is missing or isn't what its hash says
├── StoreLockedError         another daemon has the store
├── PlanningError            the datums of a job can't be found
└── InfrastructureError      the machine failed, not what was asked of it
    ├── RuntimeUnavailableError  what the runtime asked for needs isn't there
    ├── ImageUnavailableError    an image that the runtime can't run
    ├── PortUnavailableError     a port of this machine that can't be had
    ├── LauncherError            the process runtime can't start a command
    │   └── BusyError                the machine was too busy for it
    └── EngineError              Docker refuses
        ├── NoAnswerError            Docker does not answer
        └── GoneError                a container isn't there, or doesn't run

Others are told to nobody, or by one program alone: LeftError and CallerGoneError end work that
nobody waits for, AddressInUseError the start of the daemon, CliError and ConfigError a command. The
launcher of a worker (`pachlocal.runtime.launcher`) is a program that imports nothing of this
package, and has its own.
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


class StricterError(InvalidArgumentError):
    """The real server takes the request: a limit or a rule of this one alone is against it."""


class FailedPreconditionError(PachError):
    """The state of the store forbids the request."""


class DeadlineError(PachError):
    """What the request asks for takes too long."""


class UnavailableError(PachError):
    """The request can be answered later."""


class NotFinishedError(UnavailableError):
    """A commit is still open, and has to be finished first; its `resource` says which.

    Attributes:
        resource: The ID of the commit.
    """

    resource_type = "pfs:commit"
    description = "commit not finished"

    def __init__(self, message: str, resource: str) -> None:
        """Take the message and the ID of the commit."""
        super().__init__(message)
        self.resource = resource


class UnsupportedError(PachError):
    """The real server could; one machine can't."""


class TooManyCallsError(PachError):
    """There are more calls at once than can be served; some have to end first."""


class DamagedStoreError(PachError):
    """Stored content is missing, or differs from what its hash promises."""


class StoreLockedError(PachError):
    """Another daemon works on this store."""


class InfrastructureError(PachError):
    """The machine failed, not the user's program: work waits, and nothing counts."""


class PlanningError(PachError):
    """The datums of a job can't be found, however often it is tried."""


class RuntimeUnavailableError(InfrastructureError):
    """What the runtime that was asked for needs isn't there."""


class ImageUnavailableError(InfrastructureError):
    """An image can't be run by the runtime in force."""


class SecretUnavailableError(InfrastructureError):
    """A secret that a pipeline asks for isn't there, or lacks a key; it was when it was made."""


class PortUnavailableError(InfrastructureError):
    """A port of this machine can't be used: another program has it, or it is forbidden."""


class OutputError(InvalidArgumentError):
    """What a command left in `/pfs/out` can't be the files of a commit."""


class DuplicateOutputError(FailedPreconditionError):
    """Two datums of a job wrote the same path."""


class LauncherError(InfrastructureError):
    """The launcher could not start, or is gone; the message says why."""


class BusyError(LauncherError):
    """The machine could not start it, or not in time; another time it may."""


class EngineError(InfrastructureError):
    """Docker refuses, or does not answer; the message says why."""


class NoAnswerError(EngineError):
    """Docker is away, or hangs; the message says so in a whole sentence."""


class GoneError(EngineError):
    """The container, or what ran in it, isn't there or doesn't run."""


class LeftError(Exception):
    """A job is left as it is: we stop, or it was ended from outside."""


class CallerGoneError(Exception):
    """The caller hung up, or the server stops, while a call was waiting."""


class AddressInUseError(Exception):
    """It isn't possible to listen on the address."""


class CliError(Exception):
    """Ends a command with exit code 1; its message is the one line that is printed."""


class ConfigError(Exception):
    """A file isn't what pachctl's configuration should be; the message says where and why."""
