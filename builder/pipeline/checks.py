"""The check: what it looks at is gathered here, from the bundle, its lock and the store; nothing is fetched unasked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builder import __version__
from builder.base.model import LockedDeb
from builder.bundle.model import Bundle, Inventory
from builder.check.report import CheckReport
from builder.check.rules import RULES
from builder.check.run import check as apply_rules
from builder.check.sarif import to_sarif
from builder.check.subject import Subject
from builder.errors import LockDriftError
from builder.host.identity import kiln_identity
from builder.lock.model import Lock
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.base_content import BaseContent, read_base_content
from builder.pipeline.fetching import fetch_locked
from builder.pipeline.workshop import Workshop
from builder.store.records import Records


def check(workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = (), fetch: bool = False) -> CheckReport:
    """Apply every rule to a bundle. What needs a lock, or packages that are not in the store, is left out and named.

    ``fetch`` brings what the lock names into the store first; without it no network is touched.
    """
    bundle = stages.load(workshop, path)
    inventory = stages.inventory_of(workshop, bundle)
    chosen = stages.chosen_platforms(bundle, platforms)
    left_out: list[str] = []
    try:
        lock: Lock | None = stages.locked(workshop, bundle, inventory)[0]
    except LockDriftError as drift:
        from builder.pipeline.drift import locked_but_for_the_model  # noqa: PLC0415 - brings all that locking takes

        lock = locked_but_for_the_model(bundle, inventory)
        if lock is None:
            facts = "; ".join(fault.fact for fault in drift.faults)
            left_out.append(f"what needs the lock: {facts} (run `kiln lock`)")
    if fetch and lock is not None:
        for platform in chosen:
            fetch_locked(workshop, lock, platform, offline=False)
    return _report(workshop, bundle, inventory, lock=lock, platforms=chosen, left_out=left_out)


def check_for_build(
    workshop: Workshop, bundle: Bundle, inventory: Inventory, lock: Lock, platforms: Sequence[Platform]
) -> CheckReport:
    """Apply every rule to a bundle that is about to be built; what its lock names is in the store."""
    return _report(workshop, bundle, inventory, lock=lock, platforms=platforms, left_out=[])


def check_sarif(report: CheckReport, path: Path) -> dict[str, Any]:
    """Return a report on the bundle at ``path`` as a SARIF log.

    Its paths are relative to the working directory when the bundle is below it, else to the bundle.
    """
    root = (path if path.is_dir() else path.parent).resolve()
    here = Path.cwd()
    folder = root.relative_to(here).as_posix() if root.is_relative_to(here) else ""
    return to_sarif(report, RULES.values(), version=__version__, folder="" if folder == "." else folder)


def _report(
    workshop: Workshop,
    bundle: Bundle,
    inventory: Inventory,
    *,
    lock: Lock | None,
    platforms: Sequence[Platform],
    left_out: list[str],
) -> CheckReport:
    with workshop.terminal.step("check", f"check {bundle.name} {bundle.version}") as step:
        subjects = [
            _subject(workshop, bundle, inventory, lock=lock, platform=platform, left_out=left_out)
            for platform in platforms
        ]
        report = apply_rules(subjects, left_out=left_out)
        step.conclude(report.summary)
    return report


def _subject(
    workshop: Workshop,
    bundle: Bundle,
    inventory: Inventory,
    *,
    lock: Lock | None,
    platform: Platform,
    left_out: list[str],
) -> Subject:
    wheels: dict[str, Path] = {}
    content = BaseContent()
    if lock is not None:
        chosen = lock.on(platform)
        missing = [wheel for wheel in chosen.wheels if not workshop.store.has(wheel.digest)]
        if missing:
            left_out.append(
                f"what needs the packages for {platform}: {len(missing)} of {len(chosen.wheels)} wheels are not in the "
                "store (run `kiln fetch`, or `kiln check --fetch`)"
            )
        else:
            wheels = {wheel.name: workshop.store.path(wheel.digest) for wheel in chosen.wheels}
        content = _content(workshop, lock, platform, chosen.system_packages, left_out)
    return Subject(
        bundle=bundle,
        inventory=inventory,
        platform=platform,
        lock=lock,
        wheels=wheels,
        base_libraries=content.libraries,
        base_modules=content.modules,
        sources=_sources(bundle, inventory),
        memory=Records(workshop.store.root, "check"),
        verdicts=Records(workshop.store.root, "verdicts", by=kiln_identity()),
    )


def _content(
    workshop: Workshop, lock: Lock, platform: Platform, debs: Sequence[LockedDeb], left_out: list[str]
) -> BaseContent:
    layers = lock.base.on(platform).layers
    if not all(
        workshop.store.has(digest) for digest in (*(one.descriptor.digest for one in layers), *(d.digest for d in debs))
    ):
        left_out.append(f"what needs the base for {platform}: it is not in the store (run `kiln fetch`)")
        return BaseContent()
    content = read_base_content(layers, debs, workshop.store)
    if not content.libraries:
        left_out.append(f"what needs the base for {platform}: its layers are compressed in a way that is not read here")
    return content


def _sources(bundle: Bundle, inventory: Inventory) -> dict[str, bytes]:
    return {file.path: (bundle.root / file.path).read_bytes() for file in inventory.code if file.path.endswith(".py")}
