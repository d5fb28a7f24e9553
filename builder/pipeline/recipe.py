"""The whole recipe, and what needs none of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.bundle.schema import schema_text
from builder.errors import LockDriftError
from builder.pipeline import stages
from builder.pipeline.building import build_inventoried
from builder.pipeline.built import Built
from builder.pipeline.locking import lock_inventoried
from builder.pipeline.runners import DOCKER, require_engine
from builder.pipeline.testing import test_bundle
from builder.pipeline.workshop import ENGINE_BUILDERS, Workshop
from builder.smoke.report import SmokeReport


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A build and the report of its smoke tests."""

    built: Built
    report: SmokeReport

    def to_dict(self) -> dict[str, Any]:
        """Return one object: the build's, with the report under ``smoke``."""
        return self.built.to_dict() | {"smoke": self.report.to_dict()}


def bundle_schema() -> str:
    """Return the JSON Schema of bundle.yaml as text."""
    return schema_text()


def image(workshop: Workshop, path: Path, *, offline: bool, locked: bool, builder: str, runner: str) -> Made:
    """Do it all: lock if needed, build, smoke-test the exact image. A lock is never renewed when ``locked`` is said."""
    bundle = stages.load(workshop, path)
    if runner == DOCKER or builder in ENGINE_BUILDERS:
        require_engine()
    inventory = stages.inventory_of(workshop, bundle)
    try:
        stages.locked(workshop, bundle, inventory)
    except LockDriftError as drift:
        if locked or offline:
            raise
        for fault in drift.faults:
            workshop.terminal.say(f"  locking, since {fault.fact}")
        lock_inventoried(workshop, bundle, inventory, upgrade=False)
    built = build_inventoried(workshop, bundle, inventory, platforms=(), offline=offline, builder=builder)
    return Made(built=built, report=test_bundle(workshop, bundle, runner=runner, new=built))
