"""Which wheel of each pinned package the target installs, brought into the store as it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from builder.errors import DigestMismatchError, Fault
from builder.lock.model import LockedWheel
from builder.lock.pins import Pin
from builder.lock.pip import download_wheels, take_in
from builder.lock.target import Target
from builder.oci.digest import Digest
from builder.store.blobs import BlobStore
from builder.store.records import Records


def select_wheels(
    pins: Sequence[Pin],
    target: Target,
    store: BlobStore,
    *,
    kept: Sequence[Pin] = (),
    progress: Callable[[str], None] | None = None,
) -> tuple[LockedWheel, ...]:
    """Return the wheel pip would install on the target for each pin, sorted by name; all are in the store then.

    A wheel must have one of its pin's hashes, where it has any. What was chosen for the same hashes before (the
    pin's, or for a version in ``kept`` one of those) and is in the store, is not asked for again.
    """
    hints = {(pin.name, pin.version): pin.hashes for pin in kept}
    records = Records(store.root, "wheels")
    known: list[LockedWheel] = []
    unknown: list[Pin] = []
    for pin in pins:
        wheel = _recall(records, pin, target, store, hints.get((pin.name, pin.version), frozenset()))
        if wheel is None:
            unknown.append(pin)
        else:
            known.append(wheel)
    if unknown:
        if progress:
            progress(f"choosing wheels of {len(unknown)} packages for {target}")
        with download_wheels(unknown, target, store) as paths:
            fresh = [take_in(path, store) for path in paths]
        by_name = {pin.name: pin for pin in unknown}
        _verify(fresh, by_name)
        for wheel in fresh:
            for hashes in (by_name[wheel.name].hashes, frozenset({wheel.digest})):
                records.put(_key(by_name[wheel.name], hashes, target), wheel.to_dict())
        known += fresh
    return tuple(sorted(known))


def _verify(wheels: Sequence[LockedWheel], pins: dict[str, Pin]) -> None:
    faults = [
        Fault(
            fact=f"{wheel.filename} is not among the wheels that are allowed by hash",
            want="\n".join(str(digest) for digest in sorted(pins[wheel.name].hashes)),
            got=str(wheel.digest),
        )
        for wheel in wheels
        if pins[wheel.name].hashes and wheel.digest not in pins[wheel.name].hashes
    ]
    if faults:
        raise DigestMismatchError(faults, hint="find out why the index serves other bytes than it names")


def _key(pin: Pin, hashes: Iterable[Digest], target: Target) -> dict[str, object]:
    return {
        "name": pin.name,
        "version": pin.version,
        "hashes": sorted(str(digest) for digest in hashes),
        "python": target.minor,
        "tags": list(target.platform_tags()),
    }


def _recall(
    records: Records, pin: Pin, target: Target, store: BlobStore, hints: frozenset[Digest]
) -> LockedWheel | None:
    alternatives = [pin.hashes] if pin.hashes else [frozenset({digest}) for digest in sorted(hints)]
    for hashes in alternatives:
        try:
            wheel = LockedWheel.from_dict(records.get(_key(pin, hashes, target)) or {})
        except (KeyError, TypeError, ValueError):
            continue
        if wheel.digest in hashes and store.has(wheel.digest):
            return wheel
    return None
