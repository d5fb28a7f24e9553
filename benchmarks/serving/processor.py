"""Processor time and switches between processes for one request at one connection, process by process.

.venv/bin/python benchmarks/serving/processor.py
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from environments import make_all, make_models
from service import find_descendants, running
from systems import find_systems
from turns import NAMES

SECONDS = 4.0


def read_usage(pid: int) -> tuple[float, float, int]:
    """Return microseconds in user mode and in the kernel, and how often the process was switched away from."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text()
    tick = 1e6 / os.sysconf("SC_CLK_TCK")
    return int(fields[11]) * tick, int(fields[12]) * tick, sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", status)))


def main() -> None:
    systems = find_systems([*NAMES])
    pythons = make_all({system.lock for system in systems})
    models = make_models(pythons["models"])
    sample = json.loads((models / "sample.json").read_text())
    with tempfile.TemporaryDirectory(prefix="processor-") as work:
        for system in systems:
            python = pythons[system.lock]
            with running(system, python, models / "lr", sample["record"], Path(work)) as service:
                service.wait_for_prediction(sample["predictions"]["lr"][0])
                service.drive(16, 3)  # until all workers have loaded
                pids = [service.process.pid, *find_descendants(service.process.pid)]
                before = {pid: read_usage(pid) for pid in pids}
                cell = service.drive(1, SECONDS)
                requests = cell.rate * SECONDS
                print(f"{system.title}: {cell.rate:,.0f} requests/s")
                for pid in pids:
                    user, kernel, switches = (
                        (now - then) / requests for now, then in zip(read_usage(pid), before[pid], strict=True)
                    )
                    print(f"    {user:4.0f} us user, {kernel:4.0f} us system, {switches:.1f} switches")


if __name__ == "__main__":
    main()
