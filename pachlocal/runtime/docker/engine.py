"""What the runtime asks of Docker, in its own words: the only module that knows the SDK.

See https://docs.docker.com/reference/api/engine/ for the calls behind it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

import docker
import requests

from ..contract import LOOPBACK

_TIMEOUT_S = 60.0  # of one call; Docker on a busy disk takes its time
_CONFLICT, _NOT_FOUND = 409, 404
_NANO = 1_000_000_000
_SHARES_PER_CPU = 1024  # cgroups(7): the default weight, which Kubernetes takes for one core
_MIN_SHARES = 2


class EngineError(Exception):
    """Docker refuses, or does not answer; the message says why."""


class GoneError(EngineError):
    """The container, or what ran in it, isn't there or doesn't run."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself.

    Attributes:
        user: Whom it runs as, a name or number; empty for root.
        env: Its variables.
    """

    user: str
    env: Mapping[str, str]


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
    cpu_weight: float | None = None
    memory_kept: int | None = None
    published: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How a container is.

    Attributes:
        running: Whether it runs.
        pid: Its first process, as Docker's machine numbers it; 0 when it does not run.
        exit_code: How its main program ended, if it did.
    """

    running: bool
    pid: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class Execution:
    """A command that runs in a container.

    Attributes:
        id: What to ask for its end with.
        socket: Its output in frames, see `streams`; its input.
    """

    id: str
    socket: socket


class Engine:
    """A connection to Docker on this machine. Every method may be called from any thread.

    Attributes:
        version: Docker's version.
        rootless: Whether Docker runs without root: the containers' root is then its user.
    """

    def __init__(self) -> None:
        """Connect as Docker's own command does: `DOCKER_HOST`, or the context in use.

        Raises:
            EngineError: Docker does not answer, or is on another machine.
        """
        with _in_words():
            client = docker.from_env(version="auto", timeout=_TIMEOUT_S)
            self._api: Any = client.api
            try:
                if not self._api.base_url.startswith("http+docker://localhost"):
                    raise EngineError(
                        f"{self._api.base_url} may be another machine, which can't see the folders "
                        "of this one"
                    )
                info = self._api.info()
            except BaseException:
                self._api.close()
                raise
        options = {option.split(",")[0] for option in info.get("SecurityOptions") or ()}
        self.version: str = info["ServerVersion"]
        self.rootless = "name=rootless" in options
        # With user namespaces the containers' numbers for users are not those of this machine.
        self._user_namespace = "host" if "name=userns" in options else ""

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def image(self, name: str) -> Image | None:
        """Return what an image says of itself; None if it isn't here.

        Raises:
            EngineError: Docker does not answer, or it is no name.
        """
        try:
            with _in_words():
                config = self._api.inspect_image(name)["Config"] or {}
        except GoneError:
            return None
        env = dict(text.partition("=")[::2] for text in config.get("Env") or ())
        return Image(config.get("User") or "", env)

    def pull(self, name: str) -> None:
        """Download an image.

        Raises:
            EngineError: That is not possible.
        """
        repository, tag = docker.utils.parse_repository_tag(name)
        with _in_words():
            for event in self._api.pull(repository, tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise EngineError(event["error"])

    def create(self, setup: ContainerSetup) -> str:
        """Make a container, and return its ID.

        Raises:
            EngineError: Docker refuses.
        """
        limits: dict[str, Any] = {}
        if setup.cpu is not None:
            limits["nano_cpus"] = int(setup.cpu * _NANO)
        if setup.memory is not None:
            # Without swap: a program that is above its limit is ended instead of slowed down.
            limits |= {"mem_limit": setup.memory, "memswap_limit": setup.memory}
        if setup.cpu_weight is not None:
            limits["cpu_shares"] = max(_MIN_SHARES, int(setup.cpu_weight * _SHARES_PER_CPU))
        if setup.memory_kept is not None:
            limits["mem_reservation"] = setup.memory_kept
        network: dict[str, Any] = {
            "network_mode": "host"
        }  # the daemon's address is the same inside
        ports: list[int] = []
        if setup.published is not None:
            outside, inside = setup.published
            network = {"port_bindings": {inside: (LOOPBACK, outside)}}
            ports = [inside]
        mounts = [
            docker.types.Mount(target, str(source), type="bind")
            for target, source in setup.binds.items()
        ]
        with _in_words():
            host = self._api.create_host_config(
                init=True,  # reaps what the user's programs leave
                mounts=mounts,
                # With SELinux a container may not see folders of the machine otherwise.
                security_opt=["label=disable"],
                userns_mode=self._user_namespace,
                **network,
                **limits,
            )
            created = self._api.create_container(
                setup.image,
                name=setup.name,
                labels=dict(setup.labels),
                entrypoint=list(setup.holder),
                command=[],
                user=setup.user or None,
                ports=ports,
                stdin_open=True,  # and closed with the one connection that `hold` makes
                host_config=host,
            )
        return str(created["Id"])

    def hold(self, container: str) -> socket:
        """Connect to the input and output of a container's main program, before it starts.

        However this process ends, the connection ends with it: and so does the program.

        Raises:
            EngineError: Docker refuses.
        """
        with _in_words():
            return _taken_over(
                self._api.attach_socket(
                    container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
            )

    def start(self, container: str) -> None:
        """Start a container that does not run.

        Raises:
            GoneError: It was removed.
            EngineError: It can't be started.
        """
        with _in_words():
            self._api.start(container)

    def state(self, container: str) -> ContainerState:
        """Return how a container is.

        Raises:
            GoneError: It was removed.
        """
        with _in_words():
            state = self._api.inspect_container(container)["State"]
        return ContainerState(state["Running"], state["Pid"], state["ExitCode"])

    def kill(self, container: str) -> None:
        """End all processes of a container, and wait for that; it may be started again.

        Raises:
            EngineError: Docker does not answer.
        """
        with _in_words():
            try:
                self._api.kill(container)
            except docker.errors.APIError as error:
                if error.status_code not in (_CONFLICT, _NOT_FOUND):  # it does not run
                    raise
                return
            self._api.wait(container, timeout=_TIMEOUT_S)

    def remove(self, container: str) -> None:
        """Remove a container, with all that runs in it.

        Raises:
            EngineError: Docker does not answer.
        """
        with _in_words():
            try:
                self._api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (_CONFLICT, _NOT_FOUND):  # it is being removed, or gone
                    raise

    def labelled(self, label: str, value: str) -> list[str]:
        """Return the IDs of all containers with a label.

        Raises:
            EngineError: Docker does not answer.
        """
        with _in_words():
            found = self._api.containers(all=True, filters={"label": f"{label}={value}"})
        return [container["Id"] for container in found]

    def count_processes(self, container: str) -> int:
        """Return how many processes a container has.

        Raises:
            GoneError: It does not run.
        """
        with _in_words():
            return len(self._api.top(container)["Processes"])

    def execute(
        self,
        container: str,
        cmd: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        working_dir: str | None = None,
        user: str = "",
        stdin: bool = False,
    ) -> Execution:
        """Start a command in a container.

        Raises:
            GoneError: The container does not run.
            EngineError: Docker refuses.
        """
        with _in_words():
            made = self._api.exec_create(
                container,
                list(cmd),
                environment=dict(env or {}),
                workdir=working_dir,
                user=user,
                stdin=stdin,
            )
            return Execution(made["Id"], _taken_over(self._api.exec_start(made["Id"], socket=True)))

    def exit_of(self, execution: str) -> int | None:
        """Return the exit code of a command, None while it runs.

        Raises:
            GoneError: Its container was removed.
        """
        with _in_words():
            state = self._api.exec_inspect(execution)
        return None if state["Running"] else state["ExitCode"]

    def was_out_of_memory(self, container: str, since: float) -> bool:
        """Whether the kernel ended a process of a container for its limit of memory.

        `State.OOMKilled` is set only when the container itself ends, so this asks for the event.

        Args:
            container: Which.
            since: From when on (s since 1970).

        Raises:
            EngineError: Docker does not answer.
        """
        with _in_words():
            events = self._api.events(
                since=f"{since:.9f}",
                until=f"{time.time():.9f}",
                filters={"container": container, "event": "oom"},
            )
            return any(True for _ in events)


def _taken_over(connected: Any) -> socket:
    """Take a connection out of the SDK, which would leave it to the garbage collector."""
    own = socket(fileno=os.dup(connected.fileno()))
    own.setblocking(False)
    connected._response.close()  # where the SDK keeps what it was made by
    return own


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        kind = GoneError if error.status_code in (_NOT_FOUND, _CONFLICT) else EngineError
        raise kind(str(error.explanation or error)) from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineError(_root_of(error)) from error


def _root_of(error: BaseException) -> str:
    """Return what the system said: the libraries wrap it many times over."""
    seen: list[BaseException] = [error]
    for cause in seen:  # grows
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        nested = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        seen += [
            inner for inner in nested if isinstance(inner, BaseException) and inner not in seen
        ]
    return str(error)
