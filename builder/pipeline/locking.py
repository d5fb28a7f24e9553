"""The recipe for locks: the one stage that chooses, and bringing what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builder.bundle.model import Bundle, Inventory
from builder.lock.files import write_lock
from builder.lock.model import Lock
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.fetching import choose_system_packages, fetch_locked
from builder.pipeline.workshop import Workshop, server_requirements


def lock(workshop: Workshop, path: Path, *, upgrade: bool = False) -> Lock:
    """Choose base, system packages and wheels, and write both locks. The only stage that chooses."""
    bundle = stages.load(workshop, path)
    return lock_inventoried(workshop, bundle, stages.inventory_of(workshop, bundle), upgrade=upgrade)


def lock_inventoried(workshop: Workshop, bundle: Bundle, inventory: Inventory, *, upgrade: bool) -> Lock:
    """Do what ``lock`` does for a bundle whose files are known already.

    A new model alone moves no version, so nothing is resolved for it.
    """
    if not upgrade and stages.take_model(workshop, bundle, inventory):
        return stages.locked(workshop, bundle, inventory)[0]
    from builder.lock.locker import lock_bundle  # noqa: PLC0415 - resolvers and clients, for what has to be chosen
    from builder.lock.pins import changed_pins  # noqa: PLC0415
    from builder.pipeline.bases import exact_python, lock_base_of  # noqa: PLC0415

    with workshop.terminal.step("base", f"base {bundle.environment.base}") as step:
        base = lock_base_of(bundle, workshop, step.note)
    with workshop.terminal.step("resolve", "resolve requirements") as step:
        system = choose_system_packages(workshop, bundle, base)
        locked, requirements = lock_bundle(
            bundle,
            base=base,
            system_packages=system,
            model=inventory.model,
            server_requirements=server_requirements(),
            store=workshop.store,
            python=exact_python(base),
            previous=None if upgrade else stages.previous_requirements(bundle),
            progress=step.note,
        )
        counts = [_wheels(len(one.wheels), one.platform) for one in locked.platforms]
        step.conclude(", ".join(counts))
    before = stages.previous_requirements(bundle)
    write_lock(bundle.root, locked, requirements)
    for line in changed_pins(before, requirements) if before is not None else ():
        workshop.terminal.say(f"  {line}")
    return locked


def _wheels(count: int, platform: Platform) -> str:
    return f"{count} wheel{'s'[: count != 1]} for {platform}"


def check_lock(workshop: Workshop, path: Path) -> Lock:
    """Return the lock when it fits the bundle; else a LockDriftError with every reason."""
    bundle = stages.load(workshop, path)
    return stages.locked(workshop, bundle, stages.inventory_of(workshop, bundle))[0]


def fetch(workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = ()) -> None:
    """Bring all that the lock names into the store, so that builds need no network."""
    bundle = stages.load(workshop, path)
    locked, _ = stages.locked(workshop, bundle, stages.inventory_of(workshop, bundle))
    for platform in stages.chosen_platforms(bundle, platforms):
        fetch_locked(workshop, locked, platform, offline=False)
