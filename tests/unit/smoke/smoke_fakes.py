"""A runner in memory, whose containers do what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.bundle.model import (
    Bundle,
    Contract,
    Environment,
    Expectation,
    Framework,
    Model,
    Resources,
    Scoring,
    Service,
    SmokeTest,
)
from builder.engine.runner import Answer, Executed, ExitState, RunOptions
from builder.oci.config import ImageConfig
from builder.oci.image import Image
from builder.oci.platform import Platform

IMAGE = Image(
    config=ImageConfig(platform=Platform.parse("linux/amd64"), created=0, entrypoint=("/usr/bin/python3.11", "-I")),
    layers=(),
)


def bundle_of(*tests: SmokeTest, contract: Contract = Contract.PREDICT, **service: Any) -> Bundle:
    return Bundle(
        root=Path("/nowhere"),
        name="churn",
        version="1.0.0",
        model=Model(path="model.bin", framework=Framework.CUSTOM),
        scoring=Scoring(contract=contract, script="score.py"),
        environment=Environment(
            python="3.11", requirements=(), base="debian12-python3.11", platforms=(Platform.parse("linux/amd64"),)
        ),
        smoke=tests,
        resources=Resources(cpu=0.5, memory=64 << 20),
        service=Service(**{"startup_timeout": 0.3, "shutdown_grace": 2.0, "request_timeout": 1.0} | service),
    )


def case(name: str, request: bytes = b"{}", **expect: Any) -> SmokeTest:
    return SmokeTest(
        name=name,
        request=request,
        content_type="application/json",
        path="/predict",
        expect=Expectation(**{"status": 200} | expect),
    )


def answer(status: int, value: Any, seconds: float = 0.01) -> Answer:
    return Answer(status=status, headers={}, body=json.dumps(value).encode(), seconds=seconds)


def respond(method: str, path: str, body: bytes | None) -> Answer:
    """Answer as a good image does."""
    match method, path:
        case "GET", "/livez" | "/readyz":
            return answer(200, {"status": "fine"})
        case "POST", "/predict" | "/score":
            try:
                json.loads(body or b"")
            except ValueError:
                return answer(400, {"error": "the body is not JSON: line 1 column 2"})
            return answer(200, {"predictions": [1]})
    return answer(404, {"error": "no such route"})


@dataclass
class FakeInstance:
    respond: Callable[[str, str, bytes | None], Answer] = respond
    healths: Sequence[str | None] = ("starting", "healthy")
    changed: tuple[str, ...] = ()
    ended: ExitState | None = None
    end: ExitState = field(default_factory=lambda: ExitState(code=0, seconds=0.1))
    inside: Mapping[str, Any] = field(default_factory=dict)
    kills: int = 0
    printed: str = "first line\nlast line\n"
    asked: list[tuple[str, str]] = field(default_factory=list)
    removed: int = 0
    uid: int = 0
    looks: int = 0

    def request(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        self.asked.append((method, path))
        if self.ended:
            raise ConnectionError("refused")
        return self.respond(method, path, body)

    def execute(self, argv: Sequence[str], *, timeout: float) -> Executed:
        good = {
            "uid": [str(self.uid)] * 4,
            "gid": ["0"] * 4,
            "capabilities": "0" * 16,
            "bounding": "0" * 16,
            "no_new_privileges": "1",
            "read_only": True,
        }
        return Executed(code=0, output=json.dumps(good | dict(self.inside)))

    def health(self) -> str | None:
        self.looks += 1
        return self.healths[min(self.looks, len(self.healths)) - 1]

    def exit_state(self) -> ExitState | None:
        return self.ended

    def memory_kills(self) -> int:
        return self.kills

    def logs(self, lines: int) -> str:
        return "".join(self.printed.splitlines(keepends=True)[-lines:])

    def changes(self) -> tuple[str, ...]:
        return self.changed

    def stop(self, grace: float) -> ExitState:
        self.ended = self.end
        return self.end

    def remove(self) -> None:
        self.removed += 1


@dataclass
class FakeRunner:
    instance: FakeInstance
    started: list[RunOptions] = field(default_factory=list)
    name: str = "fake 1.0"
    unapplied: tuple[str, ...] = ("no seccomp filter",)
    cuts_network: bool = True
    other: FakeInstance | None = None
    """What is lent for a second start."""

    def start(self, image: Image, options: RunOptions) -> FakeInstance:
        self.started.append(options)
        if self.other and len(self.started) > 1:
            return self.other
        self.instance.uid = options.uid
        return self.instance
