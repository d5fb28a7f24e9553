"""Whether a lock still fits its bundle, and in what it does not."""

from __future__ import annotations

from builder.base.assembled import load_base
from builder.base.model import BaseKind
from builder.bundle.model import Bundle, Inventory
from builder.errors import LockDriftError
from builder.lock.drift import check_lock, fits_but_for_the_model
from builder.lock.files import read_lock
from builder.lock.locker import inputs_of
from builder.lock.model import Lock
from builder.pipeline.workshop import server_requirements


def require_fit(lock: Lock, bundle: Bundle, inventory: Inventory, requirements: str) -> None:
    """Raise a LockDriftError with every reason why the lock and requirements.lock do not fit the bundle."""
    check_lock(lock, _inputs_now(bundle, inventory, lock), requirements, where=str(bundle.root))


def locked_but_for_the_model(bundle: Bundle, inventory: Inventory) -> Lock | None:
    """Return the lock when nothing but model files changed since, else None: a new model is held to the old choice."""
    try:
        lock, requirements = read_lock(bundle.root)
    except LockDriftError:
        return None
    fits = fits_but_for_the_model(lock, _inputs_now(bundle, inventory, lock), requirements)
    return lock if fits else None


def _inputs_now(bundle: Bundle, inventory: Inventory, lock: Lock) -> dict[str, str]:
    base = lock.base.digest
    if lock.base.kind is BaseKind.DEBIAN and lock.base.name == bundle.environment.base:
        base = load_base(lock.base.name).digest
    return inputs_of(bundle, base=base, model=inventory.model, server_requirements=server_requirements())
