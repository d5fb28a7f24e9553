"""A real registry (Debian's docker-registry) on a free loopback port, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "docker-registry"


def registry_program() -> str:
    """Return the program's path, installing its package first where that is possible."""
    if found := shutil.which(PROGRAM):
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        message = f"these tests need the program {PROGRAM}: apt-get install {PROGRAM}"
        raise RuntimeError(message)
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update"], check=False, env=environ, **quiet)
    # No service is to start: the tests run their own.
    done = subprocess.run(
        ["apt-get", "install", "-y", "--no-install-recommends", PROGRAM],
        check=False,
        env={**environ, "RUNLEVEL": "1"},
        **quiet,
    )
    found = shutil.which(PROGRAM)
    if not found:
        message = f"{PROGRAM} could not be installed:\n{done.stdout[-2000:]}"
        raise RuntimeError(message)
    return found


@dataclass(frozen=True)
class DockerRegistry:
    """A running registry: ``host`` is ``127.0.0.1:<port>``, ``storage`` its folder, ``log`` what it printed."""

    host: str
    storage: Path
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def docker_registry(folder: Path, *, auth: str = "", tls: str = "", delete: bool = True) -> Iterator[DockerRegistry]:
    """Run a registry until the block ends. ``auth`` and ``tls`` are YAML put into its configuration."""
    program = registry_program()
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(3):  # the port may be taken by someone else before the registry binds it
        host = f"127.0.0.1:{free_port()}"
        configuration = folder / "registry.yml"
        configuration.write_text(
            "version: 0.1\n"
            "log: {level: error, accesslog: {disabled: true}}\n"
            "storage:\n"
            f"  filesystem: {{rootdirectory: {folder / 'storage'}}}\n"
            f"  delete: {{enabled: {str(delete).lower()}}}\n"
            f"http:\n  addr: {host}\n  secret: for-tests-only\n{tls}{auth}"
        )
        log = folder / "registry.log"
        with log.open("wb") as output:
            environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "REGISTRY_"))}
            running = subprocess.Popen(
                [program, "serve", str(configuration)], stdout=output, stderr=subprocess.STDOUT, env=environ
            )
        try:
            if _answers(host, running):
                yield DockerRegistry(host=host, storage=folder / "storage", log=log)
                return
        finally:
            running.terminate()
            try:
                running.wait(timeout=10)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
    message = f"{PROGRAM} did not start:\n{log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)


def _answers(host: str, running: subprocess.Popen[bytes]) -> bool:
    name, port = host.split(":")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and running.poll() is None:
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
