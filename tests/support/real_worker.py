"""The runtime's worker process on its own, spoken to over its channel as the server does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.runtime.spawn import Spawned, spawn_worker
from builder.runtime.wire import OK, READY, SCORE, Unpacker, pack

LIMIT = 120


@dataclass(kw_only=True)
class RealWorker:
    """A worker that has loaded its model."""

    spawned: Spawned
    log: list[dict[str, Any]] = field(default_factory=list)
    spent: float = 0.0
    """Seconds the last batch took inside of the worker."""
    _unpacker: Unpacker = field(default_factory=Unpacker)
    _text: bytes = b""

    def predict(self, records: Sequence[Any]) -> list[Any]:
        """Return the predictions of one request."""
        ((outcome, value),) = self.score([list(records)])
        assert outcome == OK, self.log
        return list(value)

    def score(self, payloads: Sequence[Any]) -> list[tuple[str, Any]]:
        """Return the outcomes of a batch of requests, called r0, r1, …"""
        requests = [(f"r{index}", payload) for index, payload in enumerate(payloads)]
        self.spawned.channel.setblocking(True)
        self.spawned.channel.sendall(pack((SCORE, 1, requests, [])))
        answer = self.receive()
        self.spent = answer[3]
        return list(answer[2])

    def receive(self) -> tuple[Any, ...]:
        """Return the next message."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            readable, _, _ = select.select([self.spawned.channel, self.spawned.output], [], [], 1)
            if self.spawned.output in readable:
                self.read_log()
            if self.spawned.channel in readable:
                data = self.spawned.channel.recv(1 << 20)
                assert data, f"the worker ended: {self.log}"
                for message in self._unpacker.feed(data):
                    self.read_log()
                    return message
        raise AssertionError(f"no answer within {LIMIT} s: {self.log}")

    def read_log(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.spawned.output, 1 << 16):
                self._text += data
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            text = line.removeprefix(b"\x1e")
            self.log.append(json.loads(text) if text.startswith(b"{") else {"message": text.decode()})


def make_root(root: Path, *, packages: Path | None = None, script: str | None = None, **document: Any) -> Path:
    """Lay out what the worker reads of an image; keys of ``document`` go over those of bundle.json."""
    for folder in ("opt/model/model", "opt/model/code"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    if packages is not None:
        (root / "opt/model/packages").symlink_to(packages)
    if script is not None:
        (root / "opt/model/code/score.py").write_text(script)
    written: dict[str, Any] = {
        "name": "model",
        "version": "1",
        "model": {"path": "/opt/model/model/none", "framework": "custom", "files": []},
        "scoring": {
            "contract": "none" if script is None else "predict",
            "script": None if script is None else "/opt/model/code/score.py",
        },
        "schema": {"request": None, "scope": "record"},
    }
    (root / "opt/model/bundle.json").write_text(json.dumps(written | document))
    return root


@contextlib.contextmanager
def working(root: Path, variables: Mapping[str, str] | None = None) -> Iterator[RealWorker]:
    """Start a worker and wait until its model is loaded; a model that does not load is an AssertionError with why."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/tmp", "KILN_ROOT": str(root), "OMP_NUM_THREADS": "1"}
    spawned = spawn_worker({**environment, **(variables or {})})
    worker = RealWorker(spawned=spawned)
    try:
        first = worker.receive()
        assert first[0] == READY, first[1]
        yield worker
    finally:
        spawned.channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(spawned.pid, signal.SIGKILL)
        os.waitpid(spawned.pid, 0)
        os.close(spawned.output)
