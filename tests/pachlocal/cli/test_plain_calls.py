"""Calls without gRPC end as they would with it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from hpack import Encoder
from pachctl_fake import FakeServer

from pachlocal.cli.pachctl.client.failures import status_of
from pachlocal.cli.pachctl.client.plain import exchange
from pachlocal.cli.pachctl.client.plain.stubs import PlainCalls
from pachlocal.proto import pfs_pb2, pfs_pb2_grpc

API = pfs_pb2.DESCRIPTOR.services_by_name["API"]
REPOS = pfs_pb2.ListRepoRequest(type="user")


@pytest.fixture
def ways(near_fake: FakeServer) -> Iterator[dict[str, Any]]:
    """Stubs of one service, without and with gRPC."""
    assert near_fake.socket is not None
    with (
        grpc.insecure_channel(f"unix:{near_fake.socket}") as channel,
        closing(PlainCalls(near_fake.socket, [("authn-token", "t"), ("other", "")])) as calls,
    ):
        by_grpc = pfs_pb2_grpc.APIStub(channel)
        yield {"plain": calls.stub(API, lambda: by_grpc), "grpc": by_grpc}


def outcomes(ways: dict[str, Any], call: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return what comes of a call in both ways: its answer, or its status and words."""
    found = []
    for stub in ways.values():
        try:
            found.append(call(stub))
        except grpc.RpcError as error:
            found.append((status_of(error), error.details()))  # type: ignore[attr-defined]
    plain, by_grpc = found
    return plain, by_grpc


@pytest.mark.parametrize("sizes", [[], [0], [1, 0, 70_000, 3], [100] * 20_000, [5 << 20] * 6])
def test_streams_arrive_whole(
    near_fake: FakeServer, ways: dict[str, Any], sizes: list[int]
) -> None:
    near_fake.answers["ListRepo"] = [
        pfs_pb2.RepoInfo(description=chr(97 + number % 26) * size)
        for number, size in enumerate(sizes)
    ]

    assert list(ways["plain"].ListRepo(REPOS)) == near_fake.answers["ListRepo"]


def test_an_answer_is_a_message(near_fake: FakeServer, ways: dict[str, Any]) -> None:
    near_fake.answers["InspectRepo"] = pfs_pb2.RepoInfo(description="of a repo")
    request = pfs_pb2.InspectRepoRequest(repo=pfs_pb2.Repo(name="r"))

    plain, by_grpc = outcomes(ways, lambda stub: stub.InspectRepo(request))
    assert plain == by_grpc == near_fake.answers["InspectRepo"]
    assert near_fake.requests == [("InspectRepo", request)] * 2


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_a_refusal_has_its_status_and_words(
    near_fake: FakeServer, ways: dict[str, Any], code: grpc.StatusCode
) -> None:
    near_fake.answers["ListRepo"] = (code, "100 % of “ä” isn't there\n\tat all")
    near_fake.answers["InspectRepo"] = (code, "")

    plain, by_grpc = outcomes(ways, lambda stub: list(stub.ListRepo(REPOS)))
    assert plain == by_grpc == near_fake.answers["ListRepo"]
    plain, by_grpc = outcomes(ways, lambda stub: stub.InspectRepo(pfs_pb2.InspectRepoRequest()))
    assert plain == by_grpc == near_fake.answers["InspectRepo"]


def test_metadata_goes_with_each_call(near_fake: FakeServer, ways: dict[str, Any]) -> None:
    list(ways["plain"].ListRepo(REPOS))

    assert ("authn-token", "t") in near_fake.metadata
    assert ("other", "") in near_fake.metadata


def test_other_calls_are_made_by_grpc(near_fake: FakeServer, ways: dict[str, Any]) -> None:
    message = pfs_pb2.ModifyFileRequest(
        add_file=pfs_pb2.AddFile(path="/f", raw=BytesValue(value=b"content"))
    )
    ways["plain"].ModifyFile(iter([message]))
    long = pfs_pb2.CreateRepoRequest(description="x" * 100_000)
    ways["plain"].CreateRepo(long)

    assert near_fake.files == {"/f": b"content"}
    assert near_fake.last("CreateRepo") == long
    with pytest.raises(AttributeError):
        ways["plain"].NoCall  # noqa: B018 - it is looked for


def test_a_call_may_take_so_long(near_fake: FakeServer, ways: dict[str, Any]) -> None:
    over = threading.Event()
    near_fake.answers["ListRepo"] = lambda _: [over.wait(30)][:0]
    try:
        plain, by_grpc = outcomes(ways, lambda stub: list(stub.ListRepo(REPOS, timeout=0.2)))
    finally:
        over.set()

    assert plain == by_grpc == (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


@pytest.mark.parametrize("way", ["iterator", "channel"])
def test_who_leaves_cancels_the_call(near_fake: FakeServer, way: str) -> None:
    assert near_fake.socket is not None
    ended = threading.Event()

    def forever(_: object) -> Iterator[pfs_pb2.RepoInfo]:
        try:
            while True:
                yield pfs_pb2.RepoInfo(description="x" * 10_000)
        finally:
            ended.set()

    near_fake.answers["ListRepo"] = forever
    with closing(PlainCalls(near_fake.socket, [])) as calls:
        answers = calls.stub(API, lambda: None).ListRepo(REPOS)
        assert next(answers).description
        if way == "iterator":
            answers.close()
            assert ended.wait(10)
    assert ended.wait(10)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a socket, short enough to be one."""
    monkeypatch.chdir(tmp_path_factory.mktemp("p"))
    return Path("s")


@contextmanager
def listening(place: Path) -> Iterator[socket.socket]:
    """A socket at which clients can call."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        yield listener


@contextmanager
def called(place: Path) -> Iterator[tuple[Iterator[Any], socket.socket]]:
    """The answers that a client waits for, and the server's end of its connection."""
    with listening(place) as listener, closing(PlainCalls(place, [])) as calls:
        answers = calls.stub(API, lambda: None).ListRepo(REPOS)
        connection, _ = listener.accept()
        with connection:
            yield answers, connection


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )


def encode(fields: list[tuple[str, str]]) -> bytes:
    return Encoder().encode(fields)


SETTINGS = frame(4, 0, 0, b"")
HEADERS = frame(1, 4, 1, encode([(":status", "200")]))
MESSAGE = frame(0, 0, 1, b"\0\0\0\0\0")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (b"", "UNAVAILABLE", "Socket closed"),
        (SETTINGS + HEADERS + MESSAGE[:4], "UNAVAILABLE", "Socket closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "INTERNAL", "doesn't speak HTTP/2"),
        (SETTINGS + frame(7, 0, 0, bytes(8)), "UNAVAILABLE", "GOAWAY received"),
        (frame(3, 0, 1, bytes((0, 0, 0, 8))), "CANCELLED", "RST_STREAM with error code 8"),
        (frame(3, 0, 1, bytes((0, 0, 0, 2))), "INTERNAL", "RST_STREAM with error code 2"),
        (HEADERS + frame(0, 1, 1, b""), "UNKNOWN", "Stream removed"),
        (frame(1, 5, 1, encode([(":status", "404")])), "UNKNOWN", "status: 404"),
        (frame(1, 5, 1, b"\x7f"), "INTERNAL", "header"),
        (frame(1, 0, 1, b"") + SETTINGS, "INTERNAL", "header doesn't end"),
        (HEADERS + frame(0, 0, 1, b"\1\0\0\0\0"), "INTERNAL", "compressed"),
        (
            HEADERS + frame(0, 0, 1, bytes(4)) + frame(1, 5, 1, encode([("grpc-status", "0")])),
            "INTERNAL",
            "within a message",
        ),
        (HEADERS + frame(1, 5, 1, encode([("grpc-status", "99")])), "UNKNOWN", ""),
    ],
)
def test_a_broken_answer_is_an_error_of_the_call(
    place: Path, answer: bytes, code: str, words: str
) -> None:
    with called(place) as (answers, connection):
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        with pytest.raises(grpc.RpcError) as raised:
            list(answers)
    assert status_of(raised.value).name == code
    assert words in raised.value.details()  # type: ignore[attr-defined]


def test_a_header_in_pieces_and_padding_are_read(place: Path) -> None:
    trailer = encode([("grpc-status", "0")])
    answer = (
        SETTINGS
        + frame(6, 0, 0, b"question")
        + frame(1, 8 | 32, 1, b"\2" + bytes(5) + encode([(":status", "200")]) + bytes(2))
        + frame(9, 4, 1, encode([("content-type", "application/grpc")]))
        + frame(0, 8, 1, b"\3" + bytes(3) + bytes(3))
        + frame(0, 0, 1, bytes(2))
        + frame(1, 5, 1, trailer)
    )
    with called(place) as (answers, connection):
        connection.sendall(answer)
        assert list(answers) == [pfs_pb2.RepoInfo()]
        assert frame(4, 1, 0, b"") in (sent := connection.recv(1 << 16))
        assert frame(6, 1, 0, b"question") in sent


def test_nobody_at_the_socket_is_told(place: Path) -> None:
    with closing(PlainCalls(place, [])) as calls, pytest.raises(grpc.RpcError) as raised:
        calls.stub(API, lambda: None).ListRepo(REPOS)
    assert status_of(raised.value) is grpc.StatusCode.UNAVAILABLE
    assert "failed to connect" in raised.value.details()  # type: ignore[attr-defined]


def test_a_silent_server_is_asked_whether_it_is_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_SILENCE_S", 0.05)
    with called(place) as (answers, _), pytest.raises(grpc.RpcError) as raised:
        list(answers)
    assert status_of(raised.value) is grpc.StatusCode.UNAVAILABLE
    assert "keepalive" in raised.value.details()  # type: ignore[attr-defined]


def test_a_server_that_is_there_may_take_its_time(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question, reply = frame(6, 0, 0, bytes(8)), frame(6, 1, 0, bytes(8))

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            received = b""
            for count in (1, 2):
                while received.count(question) < count:
                    received += connection.recv(1 << 16)
                connection.sendall(reply)
            connection.sendall(HEADERS + frame(1, 5, 1, encode([("grpc-status", "0")])))

    with listening(place) as listener:
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        monkeypatch.setattr(exchange, "_SILENCE_S", 0.5)
        with closing(PlainCalls(place, [])) as calls:
            assert list(calls.stub(API, lambda: None).ListRepo(REPOS)) == []
        server.join()
