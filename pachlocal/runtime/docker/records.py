"""What Docker is told of containers, and what it tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself.

    Attributes:
        user: Whom it runs as, a name or number; empty for root.
        env: Its variables.
        id: What names it whatever its tags are, `sha256:…`.
    """

    user: str
    env: Mapping[str, str]
    id: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSetup:
    """What a container is made of.

    Attributes:
        name: Its name.
        image: Its image.
        labels: Its labels.
        holder: The program that keeps it open; it gets a pipe on its standard input.
        binds: Folders of this machine, by their path in the container.
        user: Whom it runs as; empty for the image's choice.
        cpu: The most cores that it may use.
        memory: The most bytes that it may use.
        gpus: How many graphics processors it gets; without them it doesn't start.
        cpu_weight: Cores that it gets when others want them too.
        memory_kept: Bytes that it gets when others want them too.
        published: A port of 127.0.0.1, and the container's port that it leads to: the container has
            a network of its own then. None for the machine's network.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    holder: Sequence[str]
    binds: Mapping[str, Path] = field(default_factory=dict)
    user: str = ""
    cpu: float | None = None
    memory: int | None = None
    gpus: int = 0
    cpu_weight: float | None = None
    memory_kept: int | None = None
    published: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container is.

    Attributes:
        running: Whether it runs.
        pid: Its first process, as Docker's machine numbers it; 0 when it does not run.
        started: When it was last started, as Docker writes it: another time, another run.
    """

    running: bool
    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class Execution:
    """A command that runs in a container.

    Attributes:
        id: What to ask for its end with.
        socket: Its output in frames, see `streams`; its input.
        said: The output that was read of the socket already.
    """

    id: str
    socket: socket
    said: bytes
