"""Every call of every service, and what is wrong with an answer."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import pachlocal.proto
from fuzz.messages import Messages

DEADLINE_S = 20.0  # for what has nothing to wait for, on a busy machine
_PATIENCE_S = 0.2  # with what may wait for ever
_MOST_ANSWERS = 2_000  # of a stream
_SHOWN = 2_000  # letters of a request

_FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
_ENDED = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
_LONGEST = 1_000  # letters of a message
_NOT_FOR_PEOPLE = re.compile(
    r"Traceback|NoneType|invalid literal|has no attribute|object at 0x|<class|takes no|codec can't"
    r"|[a-z](Error|Exception|Warning)\b|too large to convert|\bpachlocal\.(?!v1)\w"
    r"|google\.protobuf(?!\.Empty)|recursion|not subscriptable|unsupported operand"
    r"|\b__\w+__\b(?<!__filesets__)|Exceeds the limit|embedded null"
)


@dataclass(frozen=True)
class Call:
    """A call that was made up.

    Attributes:
        method: Which.
        messages: What was made up.
        requests: What of it is sent, in bytes.
        metadata: What is sent beside it.
        waits: Whether it may wait for ever, as asked.
    """

    method: MethodDescriptor
    messages: tuple[Message, ...]
    requests: tuple[bytes, ...]
    metadata: tuple[tuple[str, str], ...]
    waits: bool

    def __str__(self) -> str:
        return f"{self.method.full_name}: {' | '.join(map(_shown, self.messages))}"

    def make(self, channel: grpc.Channel) -> str:
        """Makes it; returns what is wrong with the answer, or nothing."""
        method = self.method
        kind = "_".join(
            "stream" if streaming else "unary"
            for streaming in (method.client_streaming, method.server_streaming)
        )
        path = f"/{method.containing_service.full_name}/{method.name}"
        stub = getattr(channel, kind)(
            path, response_deserializer=GetMessageClass(method.output_type).FromString
        )
        sent = iter(self.requests) if method.client_streaming else self.requests[0]
        timeout = _PATIENCE_S if self.waits else DEADLINE_S
        started = time.monotonic()
        try:
            answer = stub(sent, timeout=timeout, metadata=self.metadata)
            if method.server_streaming:
                for number, _ in enumerate(answer):
                    if number > _MOST_ANSWERS:
                        answer.cancel()
                        break
        except grpc.RpcError as error:
            problem = self._problem(error)
            return f"{problem} after {time.monotonic() - started:.1f} s" if problem else ""
        return ""

    def _problem(self, error: grpc.RpcError) -> str:
        code, details = error.code(), error.details() or ""
        shown = f"{code.name}: {details[:_SHOWN]}"
        if code in _ENDED and self.waits:
            return ""
        if code in _FAULTS or code in _ENDED or code is grpc.StatusCode.UNAVAILABLE:
            # FindCommits says UNAVAILABLE of a commit that isn't finished.
            return "" if "not finished" in details else shown
        if not details or len(details) > _LONGEST or not details.isprintable():
            return f"no line for a person: {shown!r}"
        if _NOT_FOR_PEOPLE.search(details):
            return f"words of the program: {shown}"
        return ""


def methods() -> list[MethodDescriptor]:
    """Returns all calls that are declared, but those that a worker serves."""
    found = []
    for info in pkgutil.iter_modules(pachlocal.proto.__path__):
        if info.name.endswith("_pb2") and info.name != "worker_pb2":
            module = importlib.import_module(f"pachlocal.proto.{info.name}")
            for service in module.DESCRIPTOR.services_by_name.values():
                found.extend(service.methods)
    return found


class Calls:
    """Makes up calls."""

    def __init__(self, random: Random, messages: Messages) -> None:
        self._random = random
        self._messages = messages
        self._methods = methods()
        self._waiting = list(self._methods)

    def __iter__(self) -> Iterator[Call]:
        """Yields calls for ever, each method as often as the others."""
        while True:
            self._random.shuffle(self._waiting)
            for method in self._waiting:
                yield self._call(method)

    def _call(self, method: MethodDescriptor) -> Call:
        made = self._stream(method) if method.client_streaming else [self._one(method)]
        metadata = []
        if self._random.random() < 0.05:
            metadata.append(("pach-transaction", self._messages.transaction()))
        return Call(
            method=method,
            messages=tuple(made),
            requests=tuple(map(self._messages.encode, made)),
            metadata=tuple(metadata),
            waits=any(_waits(method, message) for message in made),
        )

    def _one(self, method: MethodDescriptor) -> Message:
        return self._messages.make(method.input_type)

    def _stream(self, method: MethodDescriptor) -> list[Message]:
        """Returns the messages of a stream: the first as it should be, as a rule."""
        made = [self._one(method) for _ in range(self._random.choice([0, 1, 2, 3, 5]))]
        body = method.input_type.oneofs_by_name.get("body")
        if body is not None and self._random.random() < 0.9:
            begins = body.fields[0]  # the commit, or what to begin with
            first = GetMessageClass(method.input_type)()
            getattr(first, begins.name).MergeFrom(self._messages.make(begins.message_type))
            made = [first, *(it for it in made if not it.HasField(begins.name))]
        return made


def _waits(method: MethodDescriptor, message: Message) -> bool:
    if method.name.startswith("Subscribe"):
        return True
    if method.name == "Profile":
        return message.profile.name == "cpu"
    asked = (message, getattr(message, "request", message))  # ReadLogs holds a GetLogsRequest
    return any(getattr(it, name, False) for it in asked for name in ("wait", "follow"))


def _shown(message: Message) -> str:
    text = text_format.MessageToString(message, as_one_line=True, as_utf8=True)
    text = re.sub(r"(.)\1{40,}", lambda run: f"{run[1]}*{len(run[0])}", text)
    text = re.sub(
        r"(.{2,60}?)\1{20,}", lambda run: f"({run[1]})*{len(run[0]) // len(run[1])}", text
    )
    return text if len(text) < _SHOWN else f"{text[:_SHOWN]}…"
