"""Running an image for a person to try, until Ctrl-C."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from builder.bundle.model import Bundle
from builder.engine.docker import DockerEngine
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import Instance, Runner, RunOptions
from builder.errors import EngineError, HostError, KilnError
from builder.host.clock import Clock
from builder.host.terminal import Terminal
from builder.oci.image import Image

_UID = 10001
_POLL = 0.1
_WAKE = 0.5
_PROBE_SECONDS = 5.0
_PATIENCE = 10.0
"""Seconds a connection is held while nothing listens inside yet."""
_LAST_LINES = 5.0
"""Seconds the last lines may take to arrive once the container has ended."""


class _Followed(Instance, Protocol):
    def follow(self) -> Iterator[str]:
        """Yield what the container prints, from the beginning until it ends."""


def run_in_foreground(
    runner: Runner, image: Image, bundle: Bundle, *, port: int, terminal: Terminal, clock: Clock
) -> None:
    """Run the image hardened, its service at 127.0.0.1:``port``, and show what it prints until it ends or Ctrl-C.

    Port 0 takes one that is free.
    The log is text where a person looks, else JSON; the page at ``/`` shows the image's ID.
    Once the service says that it is ready, so is said here, with its address. A port in use is a HostError; a
    container that ends by itself with another code than 0 is an EngineError.
    """
    env = {"KILN_IMAGE": str(image.image_id), **({"KILN_LOG": "text"} if terminal.is_person else {})}
    options = RunOptions(memory=bundle.resources.memory, cpu=bundle.resources.cpu, uid=_UID, env=env)
    terminal.say(f"starting {bundle.name} {bundle.version} on {runner.name}")
    instance, close, taken = _start(runner, image, options, port)
    # Only these two ask the instance anything while it runs: Ctrl-C must not come between a question and its answer.
    output = _Output(instance, terminal)
    ready = threading.Thread(target=_announce, args=(instance, taken, terminal, clock, output.ended), daemon=True)
    try:
        output.start()
        ready.start()
        while not output.ended.wait(_WAKE):  # a signal that another thread took is noticed then
            pass
        state = output.result()
        if state != 0:
            raise EngineError.of(f"the container ended with exit code {state}", at=runner.name)
    except KeyboardInterrupt:
        ended = instance.stop(bundle.service.shutdown_grace + 2)
        output.join(_LAST_LINES)
        terminal.say(f"stopped after {ended.seconds:.1f} s with exit code {ended.code}")
    finally:
        close()
        instance.remove()


class _Output(threading.Thread):
    """Shows what a container prints as it comes, whole lines at a time; ``ended`` is set once all of it was shown."""

    def __init__(self, instance: _Followed, terminal: Terminal) -> None:
        super().__init__(daemon=True)
        self._instance = instance
        self._terminal = terminal
        self._code = 0
        self._failure: KilnError | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Follow to the end."""
        try:
            pending = ""
            for text in self._instance.follow():
                whole, newline, pending = (pending + text).rpartition("\n")
                if newline:
                    self._terminal.say(whole)
            if pending:
                self._terminal.say(pending)
            state = self._instance.exit_state()
            self._code = state.code if state else 0
        except KilnError as error:
            self._failure = error
        finally:
            self.ended.set()

    def result(self) -> int:
        """Return the container's exit code, or raise what kept it from being known."""
        if self._failure is not None:
            raise self._failure
        return self._code


def _announce(
    instance: Instance, taken: Callable[[], int], terminal: Terminal, clock: Clock, ended: threading.Event
) -> None:
    """Say that the service is ready once it is, and where."""
    while not ended.is_set():
        with suppress(ConnectionError, KilnError):
            if instance.request("GET", "/readyz", body=None, headers={}, timeout=_PROBE_SECONDS).status == 200:
                terminal.say(f"ready at http://127.0.0.1:{taken()}  (Ctrl-C ends it)")
                return
        clock.sleep(_POLL, until=ended)


def _start(
    runner: Runner, image: Image, options: RunOptions, port: int
) -> tuple[_Followed, Callable[[], None], Callable[[], int]]:
    """Return the running container, what ends its publishing, and what tells the port it is published on."""
    if isinstance(runner, DockerEngine):
        held = runner.find(image)
        if held is None:
            raise EngineError.of("the engine does not have this image", at=runner.name, want=str(image.image_id))
        try:
            started = runner.start_id(held, options, host_port=port or None)
            return started, lambda: None, lambda: started.address[1]
        except EngineError as error:
            if any(fault.fact == f"port {port} is taken" for fault in error.faults):
                raise _taken(port) from error
            raise
    if not isinstance(runner, NamespaceRunner):
        raise EngineError.of("this runner publishes no port", at=runner.name)
    listener = _listen(port)
    taken: int = listener.getsockname()[1]
    try:
        instance = runner.start(image, options)
    except BaseException:
        listener.close()
        raise
    closed = threading.Event()
    threading.Thread(target=_accept, args=(listener, instance.connect, closed), daemon=True).start()

    def close() -> None:
        closed.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # closing alone does not end an accept under way
        listener.close()

    return instance, close, lambda: taken


def _taken(port: int) -> HostError:
    other = port + 1 if port < 65535 else 8081
    return HostError.of(
        f"port {port} is taken", hint=f"choose another with --port {other} (make run FLAGS='--port {other}')"
    )


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _taken(port) from error
        raise HostError.of(f"cannot listen on port {port}: {error.strerror}") from error


_Connect = Callable[[float | None], socket.socket]


def _accept(listener: socket.socket, connect: _Connect, closed: threading.Event) -> None:
    """Join every connection from this host with one inside the container's own network."""
    while True:
        try:
            outside, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(outside, connect, closed), daemon=True).start()


def _join(outside: socket.socket, connect: _Connect, closed: threading.Event) -> None:
    """Hold a connection until something listens inside, within reason; then join both."""
    for _ in range(int(_PATIENCE / _POLL)):
        try:
            inside = connect(None)
        except EngineError:  # the container is gone
            break
        except OSError:
            if closed.wait(_POLL):
                break
        else:
            threading.Thread(target=_pump, args=(inside, outside), daemon=True).start()
            _pump(outside, inside)
            return
    outside.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
    except OSError:
        pass
    finally:
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()
