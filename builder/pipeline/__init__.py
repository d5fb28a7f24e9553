"""The recipe: one call for each stage, from a bundle to an image in a registry."""

from builder.pipeline.base_recipe import build_base, list_bases, lock_base
from builder.pipeline.checks import check, check_sarif
from builder.pipeline.comparison import diff
from builder.pipeline.images import Wanted
from builder.pipeline.readiness import checklist, checklist_table, require_complete
from builder.pipeline.recipe import (
    build,
    bundle_schema,
    check_lock,
    fetch,
    image,
    lock,
    plan,
    push,
    render,
    require_green,
    run,
    test,
)
from builder.pipeline.runners import AUTO, RUNNERS
from builder.pipeline.scaffolding import init
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
    "check",
    "check_lock",
    "check_sarif",
    "checklist",
    "checklist_table",
    "diff",
    "fetch",
    "image",
    "init",
    "list_bases",
    "lock",
    "lock_base",
    "open_workshop",
    "plan",
    "push",
    "render",
    "require_complete",
    "require_green",
    "require_identical",
    "run",
    "test",
    "verify",
]
