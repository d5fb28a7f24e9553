"""Start a system, ask it, drive it with wrk, and end it with everything it started."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from systems import APPS, Record, Start, System

HOST = "127.0.0.1"
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one run of wrk measured."""

    connections: int
    rate: float
    """Good answers in a second."""
    p50_ms: float
    p99_ms: float
    errors: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(kw_only=True)
class Running:
    """A started system."""

    system: System
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    record: Record
    started: float = field(default_factory=time.monotonic)

    def ask(self, body: bytes, timeout: float = 60) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                connection.request("POST", self.system.path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_for_prediction(self, expected: Any, limit: float = 300) -> float:
        """Return the seconds from the start to the first right prediction."""
        body = json.dumps(self.system.wrap(self.record)).encode()
        end = self.started + limit
        said = b""
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                status, said = self.ask(body)
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)
                continue
            if status == 200:
                spent = time.monotonic() - self.started
                got = self.system.find(json.loads(said))
                if got != expected:
                    raise RuntimeError(f"{self.system.name} predicts {got!r}, not {expected!r}")
                return spent
            time.sleep(0.005)
        tail = self.log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{self.system.name} does not serve: {said!r}\n{tail}")

    def drive(self, connections: int, seconds: float) -> Cell:
        """Let wrk ask for one prediction after another over so many connections."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            body = json.dumps(self.system.wrap(self.record))
            script.write(
                'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                f"wrk.body = [====[{body}]====]\n"
            )
            script.flush()
            url = f"http://{HOST}:{self.port}{self.system.path}"
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "--latency"]
            done = subprocess.run([*command, "-s", script.name, url], capture_output=True, text=True, check=True)
        return read_wrk(done.stdout, connections)

    def read_memory(self) -> dict[str, float]:
        """Return MiB of the first process, of all together, and of all with what they share counted once."""
        pids = [self.process.pid, *find_descendants(self.process.pid)]
        shared = sum(read_field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids)
        resident = {pid: read_field(f"/proc/{pid}/status", "VmRSS") for pid in pids}
        return {
            "processes": len(pids),
            "first": round(resident[self.process.pid] / 1024, 1),
            "rss": round(sum(resident.values()) / 1024, 1),
            "pss": round(shared / 1024, 1),
        }


def read_wrk(text: str, connections: int) -> Cell:
    """Read what wrk prints; answers other than 2xx and broken connections are errors and no rate."""

    def find(pattern: str) -> list[str]:
        return re.findall(pattern, text)

    def milliseconds(percent: str) -> float:
        ((number, unit),) = find(rf"{percent}%\s+([\d.]+)(us|ms|s|m)")
        return round(float(number) * SECONDS[unit] * 1e3, 3)

    ((total, took, unit),) = find(r"(\d+) requests in ([\d.]+)(ms|s|m)")
    bad = sum(int(number) for number in find(r"Non-2xx or 3xx responses: (\d+)"))
    broken = sum(
        int(number)
        for counts in find(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
        for number in counts
    )
    rate = (int(total) - bad) / (float(took) * SECONDS[unit])
    return Cell(
        connections=connections,
        rate=round(rate, 1),
        p50_ms=milliseconds("50"),
        p99_ms=milliseconds("99"),
        errors=bad + broken,
    )


def read_field(path: str, name: str) -> int:
    """Return a number of kB."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
        if found:
            return int(found.group(1))
    return 0


def find_descendants(pid: int) -> list[int]:
    """Return every process a process has started, and what those have started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *find_descendants(child)]
    return found


def find_ports() -> int:
    """Return a port that is free together with the next two."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        with contextlib.suppress(OSError), socket.socket() as second, socket.socket() as third:
            second.bind((HOST, port + 1))
            third.bind((HOST, port + 2))
            return port


@contextlib.contextmanager
def running(system: System, python: Path, models: Path, record: Record, work: Path) -> Iterator[Running]:
    """Start a system; on leaving everything it started is gone."""
    folder = Path(tempfile.mkdtemp(prefix=f"{system.name}-", dir=work))
    start = Start(python=python, models=models, folder=folder, port=find_ports(), record=record)
    log = folder / "log"
    environment = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "BENCH_MODEL": str(models),
        "PYTHONPATH": str(APPS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        **system.variables,
    }
    command = system.command(start)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield Running(system=system, port=start.port, process=process, log=log, record=record)
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started, politely first."""
    pids = find_descendants(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()
