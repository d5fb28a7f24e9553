"""The facts of the release checklist, gathered from the bundle, its products and, when asked, a registry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.bundle.model import Bundle, Inventory
from builder.bundle.parser import BUNDLE_FILE, load_bundle
from builder.bundle.yaml_document import read_document
from builder.errors import BaseImageError, Fault, LockDriftError, PublishRefusedError, StoreError
from builder.lock.model import Lock
from builder.oci.digest import Digest
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.pipeline import stages
from builder.pipeline.checks import check
from builder.pipeline.workshop import Products, Workshop
from builder.publish.pull import resolve
from builder.publish.transport import Access
from builder.release.checklist import BuiltFacts, Checklist, Facts, RegistryFacts, make_checklist
from builder.release.table import to_table
from builder.store.images import read_layout


def checklist(
    workshop: Workshop, path: Path, *, registry: str | None = None, insecure: bool = False, ca: Path | None = None
) -> Checklist:
    """Return the release checklist of a bundle; only with ``registry`` is any network touched."""
    bundle = load_bundle(path)
    inventory = stages.inventory_of(workshop, bundle)
    lock, drift = _lock(workshop, bundle, inventory)
    plans = _plans(workshop, bundle, inventory) if lock is not None and not drift else {}
    facts = Facts(
        bundle=bundle,
        inventory=inventory,
        lock=lock,
        drift=drift,
        check=check(workshop, path),
        declares_resources=_declares_resources(bundle.root),
        built=tuple(_built(bundle, platform, plans.get(platform)) for platform in bundle.environment.platforms),
        registry=None if registry is None else _asked(bundle, registry, Access(insecure=insecure, ca_file=ca)),
    )
    return make_checklist(facts)


def checklist_table(workshop: Workshop, made: Checklist) -> str:
    """Return the checklist as text, in colour where the terminal has any."""
    return to_table(made, colour=workshop.terminal.has_colour)


def require_complete(made: Checklist) -> None:
    """Raise a PublishRefusedError with every point that is missing, if any is."""
    if made.missing:
        raise PublishRefusedError(
            [Fault(fact=f"missing: {point.title}", at=point.id, want=point.todo) for point in made.missing],
            hint="do what each point wants, then run `kiln checklist` again",
        )


def _lock(workshop: Workshop, bundle: Bundle, inventory: Inventory) -> tuple[Lock | None, tuple[str, ...]]:
    try:
        return stages.locked(workshop, bundle, inventory)[0], ()
    except LockDriftError as drift:
        return None, tuple(fault.fact for fault in drift.faults)


def _plans(workshop: Workshop, bundle: Bundle, inventory: Inventory) -> dict[Platform, str]:
    """Return the digest of each platform's plan, which tells whether an image is of the bundle as it is now."""
    _, plans = stages.plans_of(workshop, bundle, inventory, ())
    return {plan.platform: str(plan.digest) for plan in plans}


def _built(bundle: Bundle, platform: Platform, plan: str | None) -> BuiltFacts:
    products = Products(bundle.root)
    try:
        image = read_layout(products.layout, platform)
    except StoreError:
        return BuiltFacts(platform=platform, present_plan=plan)
    path = products.report(platform, is_only=len(bundle.environment.platforms) == 1)
    record = _json(products.record)
    described = [record, *record.get("platforms", ())]
    built: dict[str, Any] = next((one for one in described if one.get("platform") == str(platform)), {})
    is_same = built.get("image_id") == str(image.image_id)
    return BuiltFacts(
        platform=platform,
        image=image,
        built_plan=built.get("plan") if is_same else None,
        present_plan=plan,
        report=_json(path) or None,
        report_at=path.relative_to(bundle.root).as_posix(),
    )


def _json(path: Path) -> dict[str, Any]:
    """Return the object in a product's file; an empty one where it is not there or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _declares_resources(root: Path) -> bool:
    value = read_document((root / BUNDLE_FILE).read_bytes(), name=BUNDLE_FILE).value
    return isinstance(value, dict) and bool(value.get("resources"))


def _asked(bundle: Bundle, registry: str, access: Access) -> RegistryFacts:
    reference = stages.destination(registry, bundle)
    rollback = replace(reference, tag=bundle.release.rollback) if bundle.release.rollback else None
    platforms = bundle.environment.platforms
    return RegistryFacts(
        reference=str(reference),
        manifests={platform: _digest(reference, platform, access) for platform in platforms},
        rollback_reference=str(rollback) if rollback else None,
        rollback_digest=_digest(rollback, platforms[0], access) if rollback else None,
    )


def _digest(reference: Reference, platform: Platform, access: Access) -> Digest | None:
    """Return the manifest a name stands for, or None when the registry does not know it for this platform."""
    try:
        return resolve(reference, platform, access=access).manifest_digest
    except BaseImageError:
        return None
