"""Running in the foreground, with containers that do what a test says."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from builder.engine.docker import DockerEngine
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import Answer, Executed, ExitState, RunOptions
from builder.errors import EngineError, HostError
from builder.host.clock import Clock
from builder.host.terminal import Terminal
from builder.oci.config import ImageConfig
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.pipeline.foreground import _join, _start, run_in_foreground
from builder.store.blobs import BlobStore
from tests.support.bundles import make_bundle

IMAGE = Image(config=ImageConfig(platform=Platform.parse("linux/amd64"), created=0), layers=())


class Container:
    """Prints ``first``, then once it was told to stop (or at once when ``code`` is given) ``last``, and ends."""

    def __init__(self, first: Sequence[str], last: Sequence[str] = (), *, code: int | None = None) -> None:
        self.first, self.last, self.code = first, last, code
        self.readiness: Iterator[Exception | int] = iter([ConnectionError("not yet"), 503, 200])
        self.stopping = threading.Event()
        self.is_removed = False

    def follow(self) -> Iterator[str]:
        yield from self.first
        if self.code is None:
            assert self.stopping.wait(20)
        yield from self.last

    def request(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        said = next(self.readiness, 503)
        if isinstance(said, Exception):
            raise said
        return Answer(status=said, headers={}, body=b"", seconds=0)

    def connect(self, timeout: float | None = None) -> socket.socket:
        raise ConnectionRefusedError

    def execute(self, argv: Sequence[str], *, timeout: float) -> Executed:
        raise AssertionError

    def exit_state(self) -> ExitState | None:
        return ExitState(code=self.code or 0)

    def stop(self, grace: float) -> ExitState:
        self.stopping.set()
        return ExitState(code=0, seconds=0.2)

    def remove(self) -> None:
        self.is_removed = True


class Says(io.StringIO):
    """Interrupts this process once a text was written, as Ctrl-C does."""

    def __init__(self, text: str = "\0") -> None:
        super().__init__()
        self.text = text

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.text in text:
            os.kill(os.getpid(), signal.SIGINT)
        return written


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Container, Says], str]:
    def run(container: Container, stream: Says, start: Callable[..., Container] | None = None) -> str:
        monkeypatch.setattr(NamespaceRunner, "start", start or (lambda *_: container))
        run_in_foreground(
            NamespaceRunner(BlobStore(tmp_path)),
            IMAGE,
            make_bundle(),
            port=free_port(),
            terminal=Terminal(stream),
            clock=Clock(),
        )
        assert container.is_removed
        return stream.getvalue()

    return run


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_everything_is_shown_once_in_whole_lines_and_the_last_ones_after_ctrl_c(
    run: Callable[[Container, Says], str],
) -> None:
    container = Container(["one\ntw", "o\nthr"], ["ee\ndraining\n", "drained"])
    said = run(container, Says("ready at")).splitlines()
    assert said[0].startswith("starting churn")
    assert [line for line in said if not line.startswith(("starting", "ready", "stopped"))] == [
        *("one", "two", "three", "draining", "drained"),
    ]
    assert said[-1] == "stopped after 0.2 s with exit code 0"


def test_readiness_is_told_after_the_service_said_so(run: Callable[[Container, Says], str]) -> None:
    container = Container([])
    said = run(container, Says("ready at"))
    assert list(container.readiness) == []
    assert "running" not in said


def test_a_free_port_is_told_as_the_one_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Says("ready at")
    monkeypatch.setattr(NamespaceRunner, "start", lambda *_: Container([]))
    runner, terminal = NamespaceRunner(BlobStore(tmp_path)), Terminal(stream)
    run_in_foreground(runner, IMAGE, make_bundle(), port=0, terminal=terminal, clock=Clock())
    (port,) = re.findall(r"ready at http://127\.0\.0\.1:(\d+) ", stream.getvalue())
    assert int(port) > 0


def test_an_engine_is_asked_which_port_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    class Published(Container):
        address = ("127.0.0.1", 49153)

    def start_id(*_: object, host_port: int | None) -> Container:
        asked.append(host_port)
        return Published([])

    engine = DockerEngine.__new__(DockerEngine)
    monkeypatch.setattr(DockerEngine, "find", lambda *_: "sha256:1")
    monkeypatch.setattr(DockerEngine, "start_id", start_id)
    _, _, taken = _start(engine, IMAGE, RunOptions(memory=1, cpu=1, uid=1), 0)
    assert (asked, taken()) == ([None], 49153)


def test_a_container_that_ends_by_itself_with_an_error_is_one(run: Callable[[Container, Says], str]) -> None:
    stream = Says()
    with pytest.raises(EngineError, match="ended with exit code 3"):
        run(Container(["last words"], code=3), stream)
    assert "last words\n" in stream.getvalue()


def test_a_container_that_ends_well_ends_the_run(run: Callable[[Container, Says], str]) -> None:
    assert "done\n" in run(Container(["done\n"], code=0), Says())


@pytest.mark.parametrize(("person", "log"), [(True, {"KILN_LOG": "text"}), (False, {})])
def test_a_person_reads_text_and_the_page_knows_its_image(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, person: bool, log: dict[str, str]
) -> None:
    given: list[RunOptions] = []
    stream = Says()
    monkeypatch.setattr(stream, "isatty", lambda: person)
    container = Container([], code=0)

    def start(*arguments: object) -> Container:
        given.extend(each for each in arguments if isinstance(each, RunOptions))
        return container

    run(container, stream, start)
    assert given[0].env == {"KILN_IMAGE": str(IMAGE.image_id), **log}


def test_a_lost_container_is_the_error_that_was_met(
    run: Callable[[Container, Says], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(_: Container) -> Iterator[str]:
        yield "first words\n"
        raise EngineError.of("the engine could not give the container's output")

    monkeypatch.setattr(Container, "follow", follow)
    with pytest.raises(EngineError, match="container's output"):
        run(Container([]), Says())


def test_a_port_in_use_is_said_with_the_command_for_another_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(HostError) as caught:
        run_in_foreground(
            NamespaceRunner(BlobStore(tmp_path)),
            IMAGE,
            make_bundle(),
            port=server.getsockname()[1],
            terminal=Terminal(io.StringIO()),
            clock=Clock(),
        )
    assert "is taken" in str(caught.value)
    assert "make run FLAGS='--port" in str(caught.value.hint)


def test_a_connection_is_held_until_the_service_listens() -> None:
    inside, service = socket.socketpair()
    attempts: Iterator[OSError | socket.socket] = iter([ConnectionRefusedError(), ConnectionRefusedError(), inside])

    def connect(_: float | None) -> socket.socket:
        attempt = next(attempts)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    client, outside = socket.socketpair()
    thread = threading.Thread(target=_join, args=(outside, connect, threading.Event()))
    thread.start()
    client.settimeout(10)
    client.sendall(b"ping")
    service.settimeout(10)
    assert service.recv(4) == b"ping"
    service.sendall(b"pong")
    assert client.recv(4) == b"pong"
    for one in (client, service):
        one.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_connection_to_a_container_that_is_gone_is_closed() -> None:
    def connect(_: float | None) -> socket.socket:
        raise EngineError.of("the process beside the container has ended")

    client, outside = socket.socketpair()
    with client:
        _join(outside, connect, threading.Event())
        assert client.recv(1) == b""


def test_an_engine_with_the_port_taken_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def start_id(*_: object, host_port: int) -> None:
        raise EngineError.of(f"port {host_port} is taken", got="port is already allocated")

    engine = DockerEngine.__new__(DockerEngine)
    monkeypatch.setattr(DockerEngine, "find", lambda *_: "sha256:1")
    monkeypatch.setattr(DockerEngine, "start_id", start_id)
    with pytest.raises(HostError, match="port 8080 is taken") as caught:
        _start(engine, IMAGE, RunOptions(memory=1, cpu=1, uid=1), 8080)
    assert caught.value.hint == "choose another with --port 8081 (make run FLAGS='--port 8081')"
