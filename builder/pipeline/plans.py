"""The plan a bundle was last built by, kept so that the next one can be explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builder.oci.platform import Platform
from builder.pipeline.workshop import Workshop
from builder.plan.model import Plan
from builder.store.records import Records


def keep_plan(workshop: Workshop, root: Path, plan: Plan) -> None:
    """Remember the plan of a build that is done."""
    _records(workshop).put(_key(root, plan.platform), plan.to_dict())


def latest_plan(workshop: Workshop, root: Path, platform: Platform) -> dict[str, Any] | None:
    """Return the printed form of the plan the bundle in ``root`` was last built by here, None when it never was."""
    found = _records(workshop).get(_key(root, platform))
    return found if isinstance(found, dict) else None


def _records(workshop: Workshop) -> Records:
    return Records(workshop.store.root, "plans")


def _key(root: Path, platform: Platform) -> list[str]:
    return [str(root), str(platform)]
