"""Taking up what was built, and saying so when the bundle is no longer what it was built from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.bundle.inventory import take_inventory
from builder.bundle.model import Bundle
from builder.errors import KilnError, NotBuiltError, StoreError
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.built import Built
from builder.pipeline.workshop import RUNTIME, Products, Workshop
from builder.store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltBundle:
    """The images of a build, and what was recorded of it."""

    images: tuple[Image, ...]
    reference: str
    tags: tuple[str, ...]


def take_up(built: Built, platform: Platform) -> BuiltBundle:
    """Return what was built just now, for one of its platforms, whatever another build has put in its place since."""
    images = tuple(image for image in built.images if image.config.platform == platform)
    return BuiltBundle(images=images, reference=built.reference, tags=built.tags)


def open_built(workshop: Workshop, bundle: Bundle, platforms: Sequence[Platform]) -> BuiltBundle:
    """Return what was built of a bundle, every blob of it in the store.

    Nothing built, or an image of another name or version, is a NotBuiltError. A bundle whose files or locks changed
    since gets a warning that says so.
    """
    products = Products(bundle.root)
    hint = f"run `kiln image {bundle.root}` (or make image)"
    record = _record(products, hint)
    name = f"{bundle.repository}:{bundle.version}"
    if record["reference"] != name:
        raise NotBuiltError.of(
            "the image that was built is not of the bundle's present name and version",
            at=str(products.record),
            want=name,
            got=record["reference"],
            hint=hint,
        )
    try:
        images = tuple(stages.built_image(workshop, products, platform) for platform in platforms)
    except StoreError as error:
        raise NotBuiltError(error.faults, hint=hint) from error
    if change := _change(workshop, bundle, platforms, record):
        workshop.terminal.warn(f"this is the image as it was built; since then {change}")
    return BuiltBundle(images=images, reference=name, tags=tuple(record["tags"]))


def _record(products: Products, hint: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(products.record.read_text())
    except OSError as error:
        raise NotBuiltError.of("nothing was built here yet", at=str(products.record), hint=hint) from error
    except ValueError as error:
        raise NotBuiltError.of("the record of the build is damaged", at=str(products.record), hint=hint) from error
    return record


def _change(workshop: Workshop, bundle: Bundle, platforms: Sequence[Platform], record: dict[str, Any]) -> str | None:
    """Say how the bundle differs from what was built, or None."""
    plans = {one["platform"]: one["plan"] for one in record.get("platforms", [record])}
    try:
        inventory = take_inventory(
            bundle, RUNTIME, memory=Records(workshop.store.root, "files"), now=workshop.clock.now
        )
        _, now = stages.plans_of(workshop, bundle, inventory, platforms)
    except KilnError as error:
        return error.faults[0].fact
    changed = any(plans.get(str(one.platform)) != str(one.digest) for one in now)
    return "the bundle has changed" if changed else None
