"""The recipe: one call for each stage, from a bundle to an image in a registry.

A stage's modules are imported when it is called for, so that a command loads no more than it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.pipeline.base_recipe import build_base, list_bases, lock_base
    from builder.pipeline.building import plan, render
    from builder.pipeline.caching import cache_report, prune_cache
    from builder.pipeline.checks import check, check_sarif
    from builder.pipeline.comparison import diff
    from builder.pipeline.explaining import explain
    from builder.pipeline.images import Wanted
    from builder.pipeline.latest import build
    from builder.pipeline.locking import check_lock, fetch, lock
    from builder.pipeline.publishing import push
    from builder.pipeline.readiness import checklist, checklist_table, require_complete
    from builder.pipeline.recipe import bundle_schema, image
    from builder.pipeline.runners import AUTO, RUNNERS
    from builder.pipeline.scaffolding import init, is_sound
    from builder.pipeline.testing import failure_of, run, test
    from builder.pipeline.verification import require_identical, verify
    from builder.pipeline.workshop import BUILDERS, NATIVE, open_workshop

__all__ = [
    "AUTO",
    "BUILDERS",
    "NATIVE",
    "RUNNERS",
    "Wanted",
    "build",
    "build_base",
    "bundle_schema",
    "cache_report",
    "check",
    "check_lock",
    "check_sarif",
    "checklist",
    "checklist_table",
    "diff",
    "explain",
    "failure_of",
    "fetch",
    "image",
    "init",
    "is_sound",
    "list_bases",
    "lock",
    "lock_base",
    "open_workshop",
    "plan",
    "prune_cache",
    "push",
    "render",
    "require_complete",
    "require_identical",
    "run",
    "test",
    "verify",
]

_HOMES = {
    "AUTO": "runners",
    "BUILDERS": "workshop",
    "NATIVE": "workshop",
    "RUNNERS": "runners",
    "Wanted": "images",
    "build": "latest",
    "build_base": "base_recipe",
    "bundle_schema": "recipe",
    "cache_report": "caching",
    "check": "checks",
    "check_lock": "locking",
    "check_sarif": "checks",
    "checklist": "readiness",
    "checklist_table": "readiness",
    "diff": "comparison",
    "explain": "explaining",
    "fetch": "locking",
    "image": "recipe",
    "init": "scaffolding",
    "is_sound": "scaffolding",
    "list_bases": "base_recipe",
    "lock": "locking",
    "lock_base": "base_recipe",
    "open_workshop": "workshop",
    "prune_cache": "caching",
    "plan": "building",
    "push": "publishing",
    "render": "building",
    "require_complete": "readiness",
    "failure_of": "testing",
    "require_identical": "verification",
    "run": "testing",
    "test": "testing",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
