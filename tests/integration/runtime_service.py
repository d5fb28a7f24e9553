"""A scoring service in a process of its own, from an image root made by hand."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import builder.runtime

ENTRY = Path(builder.runtime.__file__).with_name("entry.py")
SERVER_PACKAGES = ("httptools", "jsonschema_rs", "msgspec", "uvloop")
DOUBLE = """
def load(model_dir):
    return 2

def predict(model, records):
    return [record["a"] * model for record in records]
"""
NUMBER_SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "number", "minimum": -1000}, "b": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def make_root(
    root: Path, script: str | None = DOUBLE, *, contract: str = "predict", schema: Any = None, **more: Any
) -> Path:
    """Lay out the tree an image has below ``/``; ``more`` goes over the top-level keys of bundle.json."""
    server = root / "opt/kiln/server"
    for folder in (server, root / "opt/model/model", root / "opt/model/packages", root / "opt/model/code/src"):
        folder.mkdir(parents=True)
    for name in SERVER_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations
        (server / name).symlink_to(next(iter(spec.submodule_search_locations)))
    if script is not None:
        (root / "opt/model/code/src/score.py").write_text(script)
    document: dict[str, Any] = {
        "kiln": {"version": "0.1.0", "bundle_json": 1},
        "name": "double",
        "version": "1.2.3",
        "description": "doubles",
        "owner": "tests@example.com",
        "model": {"path": "/opt/model/model/m.json", "basename": "m.json", "framework": "custom", "files": []},
        "scoring": {"contract": contract, "script": "/opt/model/code/src/score.py" if script is not None else None},
        "environment": {"variables": {}},
        "schema": {"request": schema, "response": None, "scope": "record"},
        "service": {"workers": 1, "request_timeout": 10, "shutdown_grace": 5, "max_body": 100_000, "max_queue": 64},
        "resources": {"cpu": 1},
        "sample": None,
    }
    for key, value in more.items():
        document[key] = document[key] | value if isinstance(document.get(key), dict) else value
    (root / "opt/model/bundle.json").write_text(json.dumps(document))
    return root


@dataclass(kw_only=True)
class Answer:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path
    seen: list[dict[str, Any]] = field(default_factory=list)

    def request(
        self, method: str, path: str, body: bytes | None = None, *, timeout: float = 20, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def predict(self, value: Any, path: str = "/predict", **headers: str) -> Answer:
        return self.request("POST", path, json.dumps(value).encode(), content_type="application/json", **headers)

    def wait_ready(self, limit: float = 20) -> None:
        wait_for(lambda: self.get("/readyz").status == 200, limit, self.read_log)

    def log(self) -> list[dict[str, Any]]:
        """Return every log line so far; one that is not a JSON object is an error of the test."""
        return [json.loads(line) for line in self.read_log().splitlines()]

    def read_log(self) -> str:
        return self.log_path.read_text()

    def find_log(self, limit: float = 5, **wanted: Any) -> dict[str, Any]:
        """Wait for a log line whose fields are or, for text, contain what is wanted."""

        def matches(line: dict[str, Any]) -> bool:
            return all(
                value in str(line.get(key, "")) if isinstance(value, str) else line.get(key) == value
                for key, value in wanted.items()
            )

        wait_for(lambda: any(matches(line) for line in self.log()), limit, self.read_log)
        return next(line for line in self.log() if matches(line))

    def metric(self, name: str) -> float:
        """Return a metric's value; the name includes its labels."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def worker_pids(self) -> list[int]:
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/stat")
            if _parent_of(path) == self.process.pid and _is_worker(path.parent)
        ]

    def stop(self, number: int = signal.SIGTERM, limit: float = 10) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(limit)


def _parent_of(path: Path) -> int:
    try:
        return int(path.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def _is_worker(directory: Path) -> bool:
    try:
        return (directory / "cmdline").read_bytes().endswith(b"\0worker\0")
    except OSError:
        return False


def wait_for(condition: Any, limit: float = 10, explain: Any = lambda: "") -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError(f"it did not come true within {limit} s\n{explain()}")


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_environment(root: Path, **variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/tmp", "KILN_ROOT": str(root)} | variables


def run_entry(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the image to its end."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(ENTRY), *arguments],
        env=make_environment(root, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def running(root: Path, *, ready: bool = True, **variables: str) -> Iterator[Service]:
    """Start the service; on leaving it is gone, whatever happened."""
    port = find_port()
    log_path = root / "log.jsonl"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ENTRY), "auto"],
            env=make_environment(root, PORT=str(port), KILN_HOST="127.0.0.1", **variables),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    service = Service(process=process, port=port, log_path=log_path)
    try:
        if ready:
            service.wait_ready()
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
