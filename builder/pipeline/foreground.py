"""Running an image for a person to try, until Ctrl-C."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable

from builder.bundle.model import Bundle
from builder.engine.docker import DockerEngine
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import Instance, Runner, RunOptions
from builder.errors import EngineError, HostError
from builder.host.clock import Clock
from builder.host.terminal import Terminal
from builder.oci.image import Image

_UID = 10001
_POLL = 0.2
_LINES = 100_000


def run_in_foreground(
    runner: Runner, image: Image, bundle: Bundle, *, port: int, terminal: Terminal, clock: Clock
) -> None:
    """Run the image hardened, its service at 127.0.0.1:``port``, and show what it prints until it ends or Ctrl-C.

    A port in use is an EngineError or HostError; a container that ends by itself with another code than 0 is an
    EngineError.
    """
    options = RunOptions(memory=bundle.resources.memory, cpu=bundle.resources.cpu, uid=_UID)
    instance, close = _start(runner, image, options, port)
    try:
        terminal.say(
            f"running {bundle.name} {bundle.version} on {runner.name} at http://127.0.0.1:{port}  (Ctrl-C ends it)"
        )
        state = _follow(instance, terminal, clock)
        if state != 0:
            raise EngineError.of(f"the container ended with exit code {state}", at=runner.name)
    except KeyboardInterrupt:
        ended = instance.stop(bundle.service.shutdown_grace + 2)
        terminal.say(f"stopped after {ended.seconds:.1f} s with exit code {ended.code}")
    finally:
        close()
        instance.remove()


def _start(runner: Runner, image: Image, options: RunOptions, port: int) -> tuple[Instance, Callable[[], None]]:
    if isinstance(runner, DockerEngine):
        held = runner.find(image)
        if held is None:
            raise EngineError.of("the engine does not have this image", at=runner.name, want=str(image.image_id))
        return runner.start_id(held, options, host_port=port), lambda: None
    if not isinstance(runner, NamespaceRunner):
        raise EngineError.of("this runner publishes no port", at=runner.name)
    listener = _listen(port)
    try:
        instance = runner.start(image, options)
    except BaseException:
        listener.close()
        raise
    threading.Thread(target=_accept, args=(listener, instance.connect), daemon=True).start()
    return instance, listener.close


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise HostError.of(f"port {port} is taken", hint="choose another with --port") from error
        raise HostError.of(f"cannot listen on port {port}: {error.strerror}") from error


def _accept(listener: socket.socket, connect: Callable[[float | None], socket.socket]) -> None:
    """Join every connection from this host with one inside the container's own network."""
    while True:
        try:
            outside, _ = listener.accept()
        except OSError:
            return
        try:
            inside = connect(None)
        except OSError:
            outside.close()
            continue
        for source, sink in ((outside, inside), (inside, outside)):
            threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


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


def _follow(instance: Instance, terminal: Terminal, clock: Clock) -> int:
    """Show what the container prints as it comes; return its exit code once it ended."""
    shown = ""
    while True:
        state = instance.exit_state()
        text = instance.logs(_LINES)
        fresh = text.removeprefix(shown)
        if fresh:
            terminal.say(fresh.rstrip("\n"))
            shown = text
        if state is not None:
            return state.code
        clock.sleep(_POLL)
