"""Measure our service beside the others: requests per second, latency, memory, start, and what malformed bodies get.

    .venv/bin/python benchmarks/serving/run.py             # everything: 14 minutes once environments are made
    .venv/bin/python benchmarks/serving/run.py --write     # and put the figures into docs/explanation
    .venv/bin/python benchmarks/serving/run.py --quick     # our own service alone, under a minute
    .venv/bin/python benchmarks/serving/run.py modelkiln handwritten --models lr --seconds 2 --rounds 3

Needs wrk (apt-get install wrk). Environments are made by uv from ``locks/`` at the first run and kept. Systems
take turns: each round starts every system once for each model, in the opposite order of the round before. Results go to
``.build/serving.json`` and ``.build/serving.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from environments import ROOT, make_all, make_models
from malformed import ask_malformed
from report import fill_page, judge, render
from service import running
from systems import System, find_systems
from turns import NAMES as IN_TURNS
from turns import take_turns

CORE = ("modelkiln", "modelkiln-script", "handwritten")
PAGE = ROOT / "docs" / "explanation" / "benchmarks-serving.md"
IN_PROCESS = """
import json, statistics, sys, time
import joblib, numpy
model = joblib.load(sys.argv[1] + "/positional.joblib")
row = json.loads(sys.argv[2])
found = {}
for name, rows, pause in (("1", 1, 0), ("64", 64, 0), ("paused", 1, 3e-4)):
    spent = []
    end = time.perf_counter() + 1.0
    while time.perf_counter() < end:
        began = time.perf_counter()
        model.predict(numpy.array([row] * rows))
        spent.append(time.perf_counter() - began)
        if pause:
            time.sleep(pause)
    found[name] = statistics.median(spent) * 1e3
print(json.dumps(found))
"""
PLAIN_START = """
import json, sys
import joblib, numpy
model = joblib.load(sys.argv[1] + "/model.joblib")
"""


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing that was started is left behind
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: as root, apt-get install wrk")
    end = time.monotonic() + 60 * arguments.minutes
    quick = ["modelkiln"] if arguments.quick else []
    systems = find_systems(arguments.systems or quick)
    pythons = make_all({system.lock for system in systems})
    models = make_models(pythons["models"])
    sample = json.loads((models / "sample.json").read_text())
    results: dict[str, Any] = {
        "machine": describe_machine(),
        "seconds": arguments.seconds,
        "systems": {system.name: system.title for system in systems},
        "in_process": {},
        "plain_start": {},
        "turns": {},
        "runs": [],
        "malformed": {},
    }
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        work = Path(name)
        for model in arguments.models:
            row = json.dumps(sample["row"])
            results["in_process"][model] = json.loads(run(pythons["models"], IN_PROCESS, str(models / model), row))
            results["plain_start"][model] = statistics.median(
                time_start(pythons["models"], models / model) for _ in "123"
            )
            if arguments.turns > 1 and set(IN_TURNS) <= {system.name for system in systems}:
                results["turns"][model] = take_turns(pythons, models, model, sample, arguments.turns)
        for number in range(arguments.rounds + arguments.more):
            taking = systems if number < arguments.rounds else [each for each in systems if each.name in CORE]
            for model in arguments.models:
                for system in taking if number % 2 == 0 else reversed(taking):
                    if time.monotonic() > end:
                        print(f"{system.name:20} {model} left out, for want of time", flush=True)
                        continue
                    measured = measure(system, pythons[system.lock], models, model, sample, work, arguments, results)
                    if measured:
                        results["runs"].append(measured)
                        save(results, page=PAGE if arguments.write else None)
    print(render(results))
    print("\n".join(judge(results)))
    return 0


def save(results: dict[str, Any], *, page: Path | None) -> None:
    """Write what there is so far, so that a run that is ended leaves what it has measured."""
    out = ROOT / ".build"
    out.mkdir(exist_ok=True)
    (out / "serving.json").write_text(json.dumps(results, indent=1))
    (out / "serving.md").write_text(render(results))
    if page:
        page.write_text(fill_page(page.read_text(), results))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", help="only these")
    parser.add_argument("--quick", action="store_true", help="our own service alone")
    parser.add_argument("--models", nargs="+", default=["lr", "rf"], choices=["lr", "rf"])
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=4, help="of each cell")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--more", type=int, default=1, help="further rounds of ours and the hand-written app alone")
    parser.add_argument(
        "--turns", type=int, default=15, help="seconds of each of ours and the hand-written app in turns; none below 2"
    )
    parser.add_argument("--minutes", type=float, default=60, help="begin nothing after these")
    parser.add_argument("--starts", type=int, default=1, help="further starts of each system, whose median is told")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.relative_to(ROOT)}")
    return parser.parse_args()


def measure(
    system: System,
    python: Path,
    models: Path,
    model: str,
    sample: dict[str, Any],
    work: Path,
    arguments: argparse.Namespace,
    results: dict[str, Any],
) -> dict[str, Any] | None:
    """Start a system and measure every cell; one that cannot be started is told and left out."""
    told = f"{system.name:20} {model}"
    try:
        with running(system, python, models / model, sample["record"], work) as service:
            start = service.wait_for_prediction(sample["predictions"][model][0])
            service.drive(16, 1)
            cells = []
            for connections in arguments.connections:
                cell = service.drive(connections, arguments.seconds)
                cells.append(cell.to_json())
                told += f" | {connections}: {cell.rate:8.0f}/s {cell.p50_ms:7.2f} {cell.p99_ms:8.2f} ms"
                told += f" {cell.errors} ERRORS" if cell.errors else ""
            memory = service.read_memory()
            if model == "lr" and system.name not in results["malformed"]:
                results["malformed"][system.name] = ask_malformed(service)
        starts = []
        for _ in range(arguments.starts):
            with running(system, python, models / model, sample["record"], work) as service:
                starts.append(service.wait_for_prediction(sample["predictions"][model][0]))
        start = statistics.median(starts or [start])
        print(f"{told} | start {start:.2f} s | {memory['first']:.0f} / {memory['pss']:.0f} MiB", flush=True)
        return {
            "system": system.name,
            "model": model,
            "starts": [round(each, 3) for each in starts or [start]],
            "cells": cells,
            "memory": memory,
            "load": os.getloadavg()[0],
        }
    except (RuntimeError, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
        print(f"{told} {error}", flush=True)
        return None


def run(python: Path, code: str, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    command = [str(python), "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def time_start(python: Path, model: Path) -> float:
    """Return the seconds a process takes that only imports and loads."""
    began = time.monotonic()
    run(python, PLAIN_START, str(model))
    return time.monotonic() - began


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": name,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


if __name__ == "__main__":
    sys.exit(main())
