"""What the runtime asks of Docker, in its own words: the only module that knows the SDK.

See https://docs.docker.com/reference/api/engine/ for the calls behind it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from socket import socket
from typing import Any

import docker
import requests

from pachlocal.errors import EngineError, GoneError, NoAnswerError

from ..contract import LOOPBACK
from .pull_progress import PullProgress
from .records import ContainerSetup, ContainerState, Execution, Image

_TIMEOUT_S = 30.0  # of one call; Docker on a busy disk takes its time
_CONNECT_S = 10.0  # of the first calls, which ask little
_PING_S = 5.0  # of a call that takes no time, which finds out whether there will be an answer
_HURRY_S = 3.0  # of one call when the daemon stops
_CONFLICT, _NOT_FOUND = 409, 404
_NANO = 1_000_000_000
_SHARES_PER_CPU = 1024  # cgroups(7): the default weight, which Kubernetes takes for one core
_MIN_SHARES = 2


class Engine:
    """A connection to Docker on this machine. Every method may be called from any thread.

    Attributes:
        version: Docker's version.
        rootless: Whether Docker runs without root: the containers' root is then its user.
        cores: How many the machine has: Docker refuses a limit above it.
        platform: What kind of programs it runs, like linux/x86_64.
    """

    def __init__(self, host: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        """Connect as Docker's own command does.

        Args:
            host: Where it listens, as `DOCKER_HOST` says it; None to take what that says.
            timeout_s: How long to wait for an answer at most.

        Raises:
            NoAnswerError: It does not answer.
            EngineError: It is on another machine.
        """
        self._is_silent = False  # it has left a call unanswered
        self._hurries = False
        where = {**os.environ} if host is None else {**os.environ, "DOCKER_HOST": host}
        with self._asking():
            first_s = min(timeout_s, _CONNECT_S)
            client = docker.from_env(version="auto", timeout=first_s, environment=where)
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
        self.cores: int = info["NCPU"]
        self.platform = f"{info['OSType']}/{info['Architecture']}"
        # With user namespaces the containers' numbers for users are not those of this machine.
        self._user_namespace = "host" if "name=userns" in options else ""
        self._api.timeout = timeout_s

    def hurry(self) -> None:
        """Wait little for answers from now on, and once one hasn't come, for none."""
        self._hurries = True
        self._api.timeout = _HURRY_S

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def image(self, name: str) -> Image | None:
        """Return what an image says of itself; None if it isn't here.

        Raises:
            EngineError: Docker does not answer, or it is not a valid name.
        """
        try:
            with self._asking():
                found = self._api.inspect_image(name)
        except GoneError:
            return None
        config = found["Config"] or {}
        env = dict(text.partition("=")[::2] for text in config.get("Env") or ())
        return Image(config.get("User") or "", env, found["Id"])

    def pull(self, name: str) -> Iterator[str]:
        """Download an image.

        Yields:
            How far it is, in words.

        Raises:
            EngineError: That is not possible.
        """
        repository, tag = docker.utils.parse_repository_tag(name)
        progress = PullProgress()
        with self._asking():
            for event in self._api.pull(repository, tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise EngineError(event["error"])
                yield progress.after(event)

    def create(self, setup: ContainerSetup) -> str:
        """Make a container, and return its ID.

        Raises:
            EngineError: Docker refuses; there may be no such image any more.
        """
        limits: dict[str, Any] = {}
        if setup.cpu is not None:
            limits["nano_cpus"] = int(min(setup.cpu, self.cores) * _NANO)
        if setup.memory is not None:
            # Without swap: a program that is above its limit is ended instead of slowed down.
            limits |= {"mem_limit": setup.memory, "memswap_limit": setup.memory}
        if setup.gpus:
            gpus = docker.types.DeviceRequest(count=setup.gpus, capabilities=[["gpu"]])
            limits["device_requests"] = [gpus]
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
        with self._asking():
            host = self._api.create_host_config(
                init=True,  # reaps what the user's programs leave
                log_config=docker.types.LogConfig(type="none"),  # output is the worker's to read
                mounts=mounts,
                # With SELinux a container may not see folders of the machine otherwise.
                security_opt=["label=disable"],
                userns_mode=self._user_namespace,
                **network,
                **limits,
            )
            make = partial(
                self._api.create_container,
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
            try:
                created = self._made_anew(make, setup.name)
            except GoneError as error:  # it is the image that isn't there
                raise EngineError(str(error)) from error
        return str(created["Id"])

    def _made_anew(self, make: Callable[[], Any], name: str) -> Any:
        try:
            return make()
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise
        # Ours, from when Docker did not answer, and nobody's any more: a name is one worker's.
        with suppress(docker.errors.NotFound):  # it is gone meanwhile
            self._api.remove_container(name, force=True, v=True)
        try:
            return make()
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise
            raise NoAnswerError(f"Docker does not give up the name of container {name}") from error

    def hold(self, container: str) -> socket:
        """Connect to the input and output of a container's main program, before it starts.

        However this process ends, the connection ends with it: and so does the program.

        Raises:
            EngineError: Docker refuses.
        """
        with self._asking():
            connection, _ = _taken_over(  # what has not started has said nothing
                self._api.attach_socket(
                    container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
            )
        return connection

    def start(self, container: str) -> None:
        """Start a container that does not run.

        Raises:
            GoneError: It was removed.
            EngineError: It can't be started.
        """
        with self._asking():
            self._api.start(container)

    def state(self, container: str) -> ContainerState:
        """Return how a container is.

        Raises:
            GoneError: It was removed.
        """
        with self._asking():
            state = self._api.inspect_container(container)["State"]
        return ContainerState(state["Running"], state["Pid"], state["StartedAt"])

    def kill(self, container: str) -> None:
        """End all processes of a container, and wait for that; it may be started again.

        Raises:
            EngineError: Docker does not answer.
        """
        with self._asking():
            try:
                self._api.kill(container)
            except docker.errors.APIError as error:
                if error.status_code not in (_CONFLICT, _NOT_FOUND):  # it does not run
                    raise
                return
            with suppress(docker.errors.NotFound):  # somebody has removed it meanwhile
                self._api.wait(container, timeout=self._api.timeout)

    def remove(self, container: str) -> None:
        """Remove a container, with all that runs in it.

        Raises:
            EngineError: Docker does not answer.
        """
        with self._asking():
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
        with self._asking():
            found = self._api.containers(all=True, filters={"label": f"{label}={value}"})
        return [container["Id"] for container in found]

    def count_processes(self, container: str) -> int:
        """Return how many processes a container has.

        Raises:
            GoneError: It does not run.
        """
        with self._asking():
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
        with self._asking():
            made = self._api.exec_create(
                container,
                list(cmd),
                environment=dict(env or {}),
                workdir=working_dir,
                user=user,
                stdin=stdin,
            )
            connection, said = _taken_over(self._api.exec_start(made["Id"], socket=True))
        return Execution(made["Id"], connection, said)

    def exit_of(self, execution: str) -> int | None:
        """Return the exit code of a command, None while it runs.

        Raises:
            GoneError: Nobody knows it, or how it ended: its container was removed, or Docker was
                started anew.
        """
        with self._asking():
            state = self._api.exec_inspect(execution)
        if not state["Running"] and state["ExitCode"] is None:
            raise GoneError("the command ended, with an unknown exit code")
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
        with self._asking():
            events = self._api.events(
                since=f"{since:.9f}",
                until=f"{time.time():.9f}",
                filters={"container": container, "event": "oom"},
            )
            return any(True for _ in events)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Say in words what comes of the calls in the block.

        After a call without an answer a short one goes first: else who asks many things of a Docker
        that hangs would wait as often.
        """
        try:
            if self._is_silent:
                self._ping()
            yield
        except docker.errors.APIError as error:
            kind = GoneError if error.status_code in (_NOT_FOUND, _CONFLICT) else EngineError
            raise kind(" ".join(str(error.explanation or error).split())) from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            refused = isinstance(error, docker.errors.DockerException)
            if refused and type(error) is not docker.errors.DockerException:  # the SDK refuses
                raise EngineError(str(error)) from error
            self._is_silent = True
            raise NoAnswerError(f"Docker does not answer: {_root_of(error)}") from error

    def _ping(self) -> None:
        if self._hurries:
            raise TimeoutError
        self._api.get(f"{self._api.base_url}/_ping", timeout=_PING_S).raise_for_status()
        self._is_silent = False


def _taken_over(connected: Any) -> tuple[socket, bytes]:
    """Take a connection out of the SDK, which would leave it to the garbage collector.

    Returns:
        The connection, and what was read of it already: the command may be so quick that its first
        words come with the head of the answer, in one piece.
    """
    own = socket(fileno=os.dup(connected.fileno()))
    own.setblocking(False)
    response = connected._response  # where the SDK keeps what it was made by
    reader = response.raw._fp.fp
    reader.raw._sock.settimeout(0)  # a command that waits for its input says nothing yet
    said = bytes(reader.peek())
    response.close()
    return own, said


def _root_of(error: BaseException) -> str:
    """Return what the system said: the libraries wrap it many times over."""
    seen: list[BaseException] = [error]
    for cause in seen:  # grows
        if isinstance(cause, (TimeoutError, requests.Timeout)):
            return "no response in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        nested = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        seen += [
            inner for inner in nested if isinstance(inner, BaseException) and inner not in seen
        ]
    return str(error)
