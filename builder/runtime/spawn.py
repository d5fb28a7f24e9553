"""Start a worker process. Only the standard library, so that the first worker loads while the server still imports."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CHANNEL = 3
"""The worker's end of the socket pair."""


@dataclass(kw_only=True, slots=True)
class Spawned:
    """A worker process that has just been started; both descriptors are the server's to close."""

    pid: int
    channel: socket.socket
    output: int
    started: float = field(default_factory=time.monotonic)


def spawn_worker(environment: Mapping[str, str]) -> Spawned:
    """Start a worker in a process group of its own, its input empty, its output and error in one pipe of ours."""
    ours, theirs = socket.socketpair()
    readable, writable = os.pipe()
    empty, end = os.pipe()  # an input at its end, which asks for no /dev/null
    os.close(end)
    entry = str(Path(__file__).resolve().with_name("entry.py"))
    executable = sys.executable or str(Path("/proc/self/exe").readlink())
    try:
        pid = os.posix_spawn(
            executable,
            [executable, "-I", "-S", entry, "worker"],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, empty, 0),
                (os.POSIX_SPAWN_DUP2, writable, 1),
                (os.POSIX_SPAWN_DUP2, writable, 2),
                # last, for the pipe may be this very descriptor
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), CHANNEL),
            ],
            setpgroup=0,
            setsigmask=[],
        )
    except OSError:
        ours.close()
        os.close(readable)
        raise
    finally:
        theirs.close()
        os.close(writable)
        os.close(empty)
    ours.setblocking(False)
    os.set_blocking(readable, False)
    return Spawned(pid=pid, channel=ours, output=readable)
