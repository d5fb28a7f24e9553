"""Bringing what a lock names into the store: nothing is asked for that is there."""

from __future__ import annotations

from dataclasses import replace

from builder.base.model import BaseKind, LockedBase, LockedDeb
from builder.bundle.model import Bundle
from builder.bundle.parser import BUNDLE_FILE
from builder.errors import BaseImageError, FetchError, ResolutionError
from builder.host.terminal import Step
from builder.lock.model import Lock
from builder.oci.platform import Platform
from builder.pipeline.workshop import Workshop


def fetch_locked(workshop: Workshop, lock: Lock, platform: Platform, *, offline: bool) -> None:
    """Bring base, system packages and wheels of one platform into the store: verified, and only what is missing."""
    chosen = lock.on(platform)
    digests = [layer.descriptor.digest for layer in lock.base.on(platform).layers]
    digests += [deb.digest for deb in chosen.system_packages]
    digests += [wheel.digest for wheel in chosen.all_wheels]
    with workshop.terminal.step("fetch", f"fetch for {platform}") as step:
        if all(workshop.store.has(digest) for digest in digests):
            step.conclude("everything is here")
        else:
            _fetch_missing(workshop, lock, platform, step, offline=offline)


def _fetch_missing(workshop: Workshop, lock: Lock, platform: Platform, step: Step, *, offline: bool) -> None:
    # Clients of registries and package indexes are only loaded when there is something to ask them for.
    from builder.base.assembled import fetch_system_packages  # noqa: PLC0415
    from builder.lock.fetch import fetch_wheels  # noqa: PLC0415
    from builder.lock.target import Target  # noqa: PLC0415
    from builder.pipeline.bases import require_base  # noqa: PLC0415

    chosen = lock.on(platform)
    require_base(lock.base, platform, workshop, offline=offline, progress=step.note)
    missing = [deb for deb in chosen.system_packages if not workshop.store.has(deb.digest)]
    if missing and offline:
        raise FetchError.of(
            f"{len(missing)} system packages are not in the store",
            want=", ".join(f"{deb.name} {deb.version}" for deb in missing),
            hint="run `kiln fetch` once with the network",
        )
    fetch_system_packages(missing, workshop.store, workshop.settings, progress=step.note)
    brought = fetch_wheels(
        chosen.all_wheels, Target.of_base(lock.base, platform), workshop.store, offline=offline, progress=step.note
    )
    count = len(chosen.all_wheels)
    step.conclude(f"{brought} of {count} wheels were missing" if brought else "everything is here")


def choose_system_packages(
    workshop: Workshop, bundle: Bundle, base: LockedBase
) -> dict[Platform, tuple[LockedDeb, ...]]:
    """Choose the bundle's system packages on every platform; only an assembled base can take any."""
    from builder.base.assembled import (  # noqa: PLC0415 - as above
        fetch_system_packages,
        load_base,
        resolve_system_packages,
        system_entries,
    )

    names = bundle.environment.system_packages
    if not names:
        return {}
    if base.kind is not BaseKind.DEBIAN:
        raise BaseImageError.of(
            "system packages can only be added to a base that is assembled here",
            at="bundle.yaml environment.system_packages",
            got=f"base {base.name}",
            hint="name a base under base-images/, or one in a registry that has the packages",
        )
    image = load_base(base.name)
    with workshop.terminal.step("system", f"choose system packages {', '.join(names)}") as step:
        try:
            chosen = {
                locked.platform: resolve_system_packages(
                    names, image, locked.platform, workshop.settings, progress=step.note
                )
                for locked in base.platforms
            }
        except ResolutionError as error:
            raise _at_lines(error, bundle) from error
        debs = {deb for one in chosen.values() for deb in one}
        fetch_system_packages(debs, workshop.store, workshop.settings, progress=step.note)
        for platform, wanted in chosen.items():
            # Unpacked now, so that a package that cannot be taken is refused here and not at the first build.
            system_entries(image, platform, wanted, workshop.store)
    return chosen


def _at_lines(error: ResolutionError, bundle: Bundle) -> ResolutionError:
    """Return the error with the lines of bundle.yaml that name the packages it is about."""
    from builder.bundle.yaml_document import read_document  # noqa: PLC0415 - only to place a fault

    names = bundle.environment.system_packages
    where = ("environment", "system_packages")
    document = read_document((bundle.root / BUNDLE_FILE).read_bytes(), name=BUNDLE_FILE)
    faults = []
    for fault in error.faults:
        first, _, rest = (fault.at or "").partition(" needs ")
        place = document.at((*where, names.index(first)) if first in names else where)
        faults.append(replace(fault, at=f"{place}: {fault.at}" if rest else place))
    return ResolutionError(faults, hint=error.hint)
