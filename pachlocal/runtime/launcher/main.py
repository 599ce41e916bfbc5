"""The launcher's life: enter the namespaces, say so, then run a command for each request."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from . import frames, programs, reaping, spawn, warm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import namespaces

_IDLE_LIMIT_S = 300.0  # for a server that holds some 100 MB
_REQUESTS = 0  # standard input; commands write to 1 and 2, the pipe that the worker reads


def main() -> None:
    """Serve the requests of one worker.

    Arguments of the program: the descriptor for answers; whether to make a mount namespace and
    whether a PID namespace too (`none`, `mounts`, `mounts+pids`); an empty folder for the new root;
    then the folders to show there as pairs of path and source.
    """
    replies = int(sys.argv[1])
    os.set_inheritable(replies, False)
    try:
        mounts = _isolate(sys.argv[2], sys.argv[3], sys.argv[4:], replies)
    except OSError as error:
        frames.write_frame(replies, frames.FAILED, [str(error.strerror).encode()])
        return
    keeper = warm.Keeper()
    with _ChildWatch(keeper) as children:
        frames.write_frame(replies, frames.READY)
        while request := _next_request(keeper):
            kind, fields = request
            if kind == frames.RUN:  # a KILL found here came after the command had ended
                try:
                    answer = _run(fields, replies, children, keeper)
                except programs.UnableError as error:
                    frames.write_frame(replies, frames.UNABLE, [str(error).encode()])
                    continue
                how = frames.SPENT if mounts is not None and mounts.changed() else frames.EXITED
                frames.write_frame(replies, how, [*answer, keeper.note.encode()])
        keeper.end()


def _next_request(keeper: warm.Keeper) -> tuple[bytes, list[bytes]] | None:
    if keeper.pid is not None and not select.select([_REQUESTS], [], [], _IDLE_LIMIT_S)[0]:
        keeper.end()
    return frames.read_frame(_REQUESTS)


def _isolate(
    isolation: str, root: str, binds: list[str], replies: int
) -> namespaces.MountWatch | None:
    """Enter the namespaces; return what watches the mounts, if commands can change them."""
    if sys.platform != "linux":
        return None
    from . import linux, namespaces

    own_pids = isolation == "mounts+pids"
    machine = namespaces.open_mounts()
    if isolation != "none":
        namespaces.leave(own_pids)
        if own_pids:
            namespaces.become_first_process(_REQUESTS, replies)
        shown: Mapping[str, str] = dict(zip(binds[::2], binds[1::2], strict=True))
        namespaces.change_root(root, shown, own_pids)
    if not own_pids:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    if isolation == "none" or os.geteuid() != 0:
        os.close(machine)
        return None
    return namespaces.MountWatch(machine)


def _run(
    fields: list[bytes], replies: int, children: _ChildWatch, keeper: warm.Keeper
) -> list[bytes]:
    begun = time.monotonic_ns()
    folder, names, words, variables, text = fields
    keeper.note = ""
    argv = frames.unpack_words(words)
    env = dict(os.environb)
    env.update(it.split(b"=", 1) for it in frames.unpack_words(variables))  # type: ignore[misc]
    env[b"PWD"] = folder
    try:
        stdin, feed = os.pipe()
    except OSError as error:
        raise programs.explain(argv[0], error) from error
    try:
        varying = frames.unpack_names(names)
        command = _start(folder, argv, env, stdin, None if varying is None else (keeper, varying))
    except programs.StartError as error:
        os.close(feed)
        return [b"%d" % error.code, str(error).encode(errors="surrogateescape"), b"0"]
    except programs.UnableError:
        os.close(feed)
        raise
    except warm.InterruptedWaitError:
        os.close(feed)
        if frames.read_frame(_REQUESTS) is None:
            sys.exit(0)
        return [b"137", b"", b"0"]
    finally:
        os.close(stdin)
    took = time.monotonic_ns() - begun
    if os.getpid() != 1:
        frames.write_frame(replies, frames.STARTED, [b"%d" % command])
    status = _follow(command, _Feed(feed, text), children, keeper)
    if status is None:
        keeper.end()
    reaping.kill_all(command, keeper)
    reaping.reap_all(keeper)
    if status is None:
        sys.exit(0)
    code = os.waitstatus_to_exitcode(status)
    keeper.finish(code)
    return [b"%d" % (code if code >= 0 else 128 - code), b"", b"%d" % took]


def _start(
    folder: bytes,
    argv: list[bytes],
    env: dict[bytes, bytes],
    stdin: int,
    warmth: tuple[warm.Keeper, set[bytes]] | None,
) -> int:
    """Start the command in its folder; the launcher itself keeps to the root."""
    try:
        os.chdir(folder)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        message = f"working directory {os.fsdecode(folder)}: {reason}"
        if programs.is_of_the_machine(error):
            raise programs.UnableError(message) from error
        raise programs.StartError(programs.NOT_EXECUTABLE, message) from error
    # A command may have made the pipe non-blocking for all who hold it; the next would stumble.
    os.set_blocking(1, True)
    try:
        program = programs.find(argv[0], env.get(b"PATH", os.fsencode(os.defpath)))
        try:
            if warmth is not None and sys.platform == "linux":
                keeper, varying = warmth
                return keeper.start(warm.WarmCommand(program, argv, env, folder, varying), stdin)
            return spawn.start(program, argv, env, stdin)
        except OSError as error:
            raise programs.explain(program, error) from error
    finally:
        os.chdir("/")


def _follow(command: int, feed: _Feed, children: _ChildWatch, keeper: warm.Keeper) -> int | None:
    """Feed the command and wait for its end.

    Returns:
        Its wait status; None when the worker is gone, and the launcher has to go too.
    """
    with feed:
        while True:
            wanted = [feed.fd] if feed.fd is not None else []
            watched = [_REQUESTS, children.fd, *([] if keeper.fd is None else [keeper.fd])]
            readable, writable, _ = select.select(watched, wanted, [])
            if writable:
                feed.push()
            if children.fd in readable and (status := children.status_of(command)) is not None:
                return status
            if keeper.fd in readable and (status := keeper.status()) is not None:
                return status
            if _REQUESTS in readable:
                request = frames.read_frame(_REQUESTS)
                reaping.kill_all(command, keeper)
                if request is None:
                    return None


class _Feed:
    """What the command reads: written as it reads, since a pipe holds little."""

    def __init__(self, fd: int, text: bytes) -> None:
        self.fd: int | None = fd
        self._left = memoryview(text)
        os.set_blocking(fd, False)
        self.push()

    def __enter__(self) -> _Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def push(self) -> None:
        """Write what the pipe takes; at the end, or when nobody reads on, close it."""
        try:
            while self._left and self.fd is not None:
                self._left = self._left[os.write(self.fd, self._left) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass  # a command need not read its input
        self._close()

    def _close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


class _ChildWatch:
    """Makes the end of a child readable on a descriptor (SIGCHLD, signal.set_wakeup_fd)."""

    def __init__(self, keeper: warm.Keeper) -> None:
        self._keeper = keeper

    def __enter__(self) -> _ChildWatch:
        self.fd, self._wake = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._wake, False)
        # One byte in the pipe says all that there is to say: a full one is no loss.
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._wake)

    def status_of(self, command: int) -> int | None:
        """Reap the children that have ended; the wait status of one if it is among them."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass
        found = None
        try:
            while True:
                child, status = os.waitpid(-1, os.WNOHANG)
                if child == 0:
                    break
                if child == command:
                    found = status
                self._keeper.died(child)
        except ChildProcessError:
            pass  # none left
        return found
