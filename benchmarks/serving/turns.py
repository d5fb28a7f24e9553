"""Our service and the hand-written app in turns, a second each: what a noisy machine does to one it does to both."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from service import running
from systems import find_systems

NAMES = ("modelkiln", "modelkiln-nolog", "handwritten")
SECONDS = 1.0


def take_turns(
    pythons: Mapping[str, Path], models: Path, model: str, sample: Mapping[str, Any], rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Start all at once, ask them by turns over one connection, and return every cell by system."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turns-")))
        services = {}
        for system in find_systems([*NAMES]):
            python = pythons[system.lock]
            service = stack.enter_context(running(system, python, models / model, sample["record"], work))
            service.wait_for_prediction(sample["predictions"][model][0])
            service.drive(16, SECONDS)
            services[system.name] = service
        cells: dict[str, list[dict[str, Any]]] = {name: [] for name in services}
        for number in range(rounds):
            for name in services if number % 2 == 0 else reversed(services):
                cells[name].append(services[name].drive(1, SECONDS).to_json())
    return cells
