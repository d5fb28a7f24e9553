"""The recipe for images: each function reads from top to bottom, one stage after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from builder.bundle.model import Bundle, Inventory
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.built import Built
from builder.pipeline.fetching import fetch_locked
from builder.pipeline.soundness import Soundness
from builder.pipeline.workshop import NATIVE, Products, Workshop
from builder.plan.model import Plan


def plan(workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = ()) -> tuple[Plan, ...]:
    """Return what a build would do on each platform."""
    bundle = stages.load(workshop, path)
    return stages.plans_of(workshop, bundle, stages.inventory_of(workshop, bundle), platforms)[1]


def render(
    workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = (), offline: bool, templates: Path | None
) -> list[Path]:
    """Write the Dockerfile and build context for each platform and return their folders."""
    from builder.pipeline.linking import assemble_plan, render_plan  # noqa: PLC0415 - as in build

    bundle = stages.load(workshop, path)
    inventory = stages.inventory_of(workshop, bundle)
    locked, plans = stages.plans_of(workshop, bundle, inventory, platforms)
    products = Products(bundle.root)
    written = []
    with products.guarded(workshop.terminal.say):
        for one in plans:
            fetch_locked(workshop, locked, one.platform, offline=offline)
            image = assemble_plan(workshop, bundle, one, offline=offline)
            written.append(
                render_plan(
                    workshop,
                    bundle,
                    one,
                    image,
                    products,
                    templates=templates,
                    is_only=bundle.environment.has_one_platform,
                )
            )
    return written


def build(
    workshop: Workshop,
    path: Path,
    *,
    platforms: Sequence[Platform] = (),
    offline: bool,
    builder: str = NATIVE,
    load: bool = False,
    new_model: bool = False,
) -> Built:
    """Make the images, write them as one OCI layout, and the Dockerfile with its context beside it.

    With ``load`` the engine has this machine's image then, under its name. With ``new_model`` a model that changed is
    written into the lock first; anything else that changed is still an error.
    """
    bundle = stages.load(workshop, path)
    inventory = stages.inventory_of(workshop, bundle)
    if new_model:
        stages.take_model(workshop, bundle, inventory)
    return build_inventoried(
        workshop, bundle, inventory, platforms=platforms, offline=offline, builder=builder, load=load
    )


def build_inventoried(
    workshop: Workshop,
    bundle: Bundle,
    inventory: Inventory,
    *,
    platforms: Sequence[Platform],
    offline: bool,
    builder: str,
    load: bool = False,
) -> Built:
    """Do what ``build`` does for a bundle whose files are known already.

    The bundle is checked while its image is linked and sent to the engine; nothing is put in place, and the engine's
    image gets no name, before it is known to be sound.
    """
    locked, plans = stages.plans_of(workshop, bundle, inventory, platforms)
    products = Products(bundle.root)
    with products.guarded(workshop.terminal.say), ExitStack() as stack:
        for one in plans:
            fetch_locked(workshop, locked, one.platform, offline=offline)
        soundness = Soundness(workshop, bundle, inventory, locked, [one.platform for one in plans])
        stack.callback(soundness.abandon)
        # Only now, so that the check, which takes longest, is under way while all this is loaded.
        from builder.pipeline.making import make  # noqa: PLC0415

        return make(workshop, bundle, plans, soundness.require, offline=offline, builder=builder, load=load)
