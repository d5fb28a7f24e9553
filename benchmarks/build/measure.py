"""What was measured, by scenario and system, and what the program that was run took."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_DEADLINE = [float("inf")]
"""When every command that still runs is ended, by time.monotonic()."""


def end_by(moment: float) -> None:
    """Let no command run past a moment of time.monotonic()."""
    _DEADLINE[0] = moment


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A cell of the table: the middle of what was measured, how far it spread, and how often it was measured."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        return cls(median=statistics.median(values), least=min(values), most=max(values), count=len(values))


@dataclass
class Board:
    """Values by scenario and system, in the order they were measured; and facts that are no numbers."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, scenario: str, system: str, value: float) -> None:
        self.values.setdefault(scenario, {}).setdefault(system, []).append(value)
        print(f"    {system:28} {scenario:44} {value:10.3f}", file=sys.stderr, flush=True)

    def say(self, fact: str, system: str, text: str) -> None:
        self.facts.setdefault(fact, {})[system] = text
        print(f"    {system:28} {fact:44} {text:>10}", file=sys.stderr, flush=True)

    @contextmanager
    def timed(self, scenario: str, system: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.add(scenario, system, time.perf_counter() - started)

    def summary(self, scenario: str, system: str) -> Summary | None:
        values = self.values.get(scenario, {}).get(system)
        return Summary.of(values) if values else None

    def to_dict(self) -> dict[str, Any]:
        return {"values": self.values, "facts": self.facts}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that ended well."""

    stdout: str
    seconds: float
    memory: int
    """The most bytes that the command and all its descendants had resident at one time; 0 when it was not watched."""


def run(
    argv: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    watch: bool = False,
) -> Ran:
    """Run a command; end the benchmark with all it printed when it fails."""
    words = [str(word) for word in argv]
    started = time.perf_counter()
    with subprocess.Popen(
        words,
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as running:
        watcher = _Watcher(running.pid) if watch else None
        left = _DEADLINE[0] - time.monotonic()
        try:
            stdout, stderr = running.communicate(timeout=None if left == float("inf") else max(left, 0))
        except subprocess.TimeoutExpired:
            running.kill()
            sys.exit(f"no time left: {' '.join(words)}")
        seconds = time.perf_counter() - started
    memory = watcher.end() if watcher else 0
    if running.returncode:
        sys.exit(f"exit {running.returncode}: {' '.join(words)}\n{stdout[-4000:]}\n{stderr[-4000:]}")
    return Ran(stdout=stdout, seconds=seconds, memory=memory)


class _Watcher:
    """Adds up, 50 times a second, what a process and its descendants have resident."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._over = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        self._over.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, sum(_anonymous(pid) for pid in _family(self._pid)))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))
    except OSError:
        return


def _anonymous(pid: int) -> int:
    """Return the process's own bytes: resident, less the pages of mapped files, which the machine may drop."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE")
