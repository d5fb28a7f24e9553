"""Bringing exactly the locked wheels into the store. What is there already is not asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from builder.errors import DigestMismatchError, Fault, FetchError, ResolutionError
from builder.lock.model import LockedPlatform, LockedWheel
from builder.lock.pins import Pin
from builder.lock.pip import download_wheels, in_batches
from builder.lock.target import Target
from builder.store.blobs import BlobStore


def wheels_of(chosen: LockedPlatform) -> tuple[LockedWheel, ...]:
    """Return every wheel an image on this platform is made with, each once."""
    return chosen.all_wheels


def fetch_wheels(
    wheels: Iterable[LockedWheel],
    target: Target,
    store: BlobStore,
    *,
    offline: bool = False,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Bring the wheels that the store lacks, verified by size and SHA-256, and return how many that were.

    With everything there, nothing is started and no network touched. ``offline`` forbids it: a wheel that is not
    there is then a FetchError naming each. One that the index no longer has is a FetchError, other bytes are a
    DigestMismatchError; what was verified before stays.
    """
    missing = {wheel.digest: wheel for wheel in sorted(wheels) if not store.has(wheel.digest)}
    if not missing:
        return 0
    if offline:
        raise FetchError(
            [
                Fault(fact=f"{wheel.filename} is not in the store", at=str(store.root), want=str(wheel.digest))
                for wheel in missing.values()
            ],
            hint="run `kiln fetch` once with the network, then build with --offline",
        )
    if progress:
        size = sum(wheel.size for wheel in missing.values())
        progress(f"fetching {len(missing)} wheels, {size / 1e6:.1f} MB, for {target}")
    by_name = {wheel.filename: wheel for wheel in missing.values()}

    def download(pins: Sequence[Pin]) -> None:
        try:
            with download_wheels(pins, target, store) as paths:
                for path in paths:
                    wheel = by_name.get(path.name) or _by_digest(pins, missing.values(), path.name)
                    if path.stat().st_size != wheel.size:
                        raise DigestMismatchError.of(
                            f"{wheel.filename} does not have the size that was locked",
                            want=f"{wheel.size} bytes",
                            got=f"{path.stat().st_size} bytes",
                        )
                    store.add_file(path, expected=wheel.digest, what=wheel.filename)
        except ResolutionError as error:
            raise _gone(error, missing.values()) from error

    in_batches(
        [
            Pin(name=wheel.name, version=wheel.version, hashes=frozenset({wheel.digest}))
            for wheel in sorted(missing.values())
        ],
        download,
    )
    if absent := [wheel for wheel in missing.values() if not store.has(wheel.digest)]:
        raise FetchError(
            [Fault(fact=f"pip did not bring {wheel.filename}", want=str(wheel.digest)) for wheel in absent],
            hint="run `kiln lock` again",
        )
    return len(missing)


def _by_digest(pins: Sequence[Pin], wheels: Iterable[LockedWheel], filename: str) -> LockedWheel:
    """An index may serve the locked bytes under a name spelled otherwise; the package tells which wheel was meant."""
    wanted = {pin.name for pin in pins}
    for wheel in wheels:
        if wheel.name in wanted and filename.lower().startswith(f"{wheel.name.replace('-', '_')}-"):
            return wheel
    raise FetchError.of(f"pip brought {filename}, which nobody asked for")


def _gone(error: ResolutionError, wheels: Iterable[LockedWheel]) -> FetchError:
    facts = " ".join(fault.fact for fault in error.faults)
    named = [wheel for wheel in wheels if f"{wheel.name}==" in facts.lower()] or list(wheels)
    return FetchError(
        [
            Fault(
                fact=f"{wheel.filename} is no longer on the configured index",
                want=str(wheel.digest),
                got=error.faults[0].got,
            )
            for wheel in named
        ],
        hint="run `kiln lock --upgrade` to choose another version, or add an index that has it to pip's settings",
    )
