"""Building an image again from nothing but its sources, and saying whether it is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder import __version__
from builder.base.assembled import load_base, needed_debs
from builder.base.model import BaseKind
from builder.bundle.inventory import take_inventory
from builder.bundle.model import Bundle
from builder.compare.difference import Difference, difference_table
from builder.compare.opened import open_linked
from builder.compare.recorded import Recorded, take_out
from builder.compare.sameness import differences
from builder.errors import DigestMismatchError, Fault
from builder.lock.fetch import wheels_of
from builder.lock.model import Lock
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.pipeline import stages
from builder.pipeline.builders import build_canonical
from builder.pipeline.fetching import fetch_locked
from builder.pipeline.images import Wanted, is_bundle, open_image
from builder.pipeline.linking import assemble_plan, render_plan
from builder.pipeline.workshop import NATIVE, RUNTIME, Products, Workshop, server_requirements
from builder.plan.compile import LockedTexts, compile_plan
from builder.plan.model import Plan
from builder.publish.pull import find_image
from builder.store.blobs import BlobStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """What one builder made of the sources, held against the image."""

    builder: str
    image_id: Digest
    differences: tuple[Difference, ...]

    @property
    def is_identical(self) -> bool:
        """True when nothing differs."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "builder": self.builder,
            "image_id": str(self.image_id),
            "identical": self.is_identical,
            "differences": [one.to_dict() for one in self.differences],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """One image on one platform, and what came of building it again with each builder."""

    name: str
    platform: Platform
    image_id: Digest
    sources: str
    rebuilt: tuple[Rebuilt, ...]

    @property
    def is_identical(self) -> bool:
        """True when every builder ended at this image."""
        return all(one.is_identical for one in self.rebuilt)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "image": self.name,
            "platform": str(self.platform),
            "image_id": str(self.image_id),
            "sources": self.sources,
            "identical": self.is_identical,
            "rebuilt": [one.to_dict() for one in self.rebuilt],
        }

    def to_table(self) -> str:
        """Return a line for each builder, and a table of differences where there are some."""
        lines = [f"{self.name}  {self.platform}  image {self.image_id}", f"  sources: {self.sources}"]
        for one in self.rebuilt:
            if one.is_identical:
                lines.append(f"  {one.builder}: identical")
                continue
            lines.append(f"  {one.builder}: not the same, {len(one.differences)} differences; image {one.image_id}")
            table = difference_table(one.differences, want="rebuilt", got="image")
            lines += [f"    {line}" for line in table.splitlines()]
        return "\n".join(lines)


def verify(
    workshop: Workshop,
    wanted: Wanted,
    *,
    builders: Sequence[str] = (),
    offline: bool = False,
    sources: Path | None = None,
) -> tuple[Verification, ...]:
    """Build again and compare, one result for each platform; nothing made earlier but locked inputs is used.

    A bundle's image is built from the bundle; another's from the sources recorded in it, or from the bundle in
    ``sources``. Wheels, Debian packages and a registry's base are checked by hash once more before they are used.
    """
    builders = tuple(dict.fromkeys(builders)) or (NATIVE,)
    if is_bundle(wanted.name):
        bundle = stages.load(workshop, Path(wanted.name))
        platforms = stages.chosen_platforms(bundle, (wanted.platform,) if wanted.platform else ())
        return tuple(
            _verify_one(workshop, replace(wanted, platform=platform), builders, offline=offline, sources=bundle.root)
            for platform in platforms
        )
    return (_verify_one(workshop, wanted, builders, offline=offline, sources=sources),)


def require_identical(verifications: Sequence[Verification]) -> None:
    """Raise when an image is not what its sources make."""
    faults = [
        Fault(
            fact=f"{one.builder} makes another image of these sources",
            at=f"{verification.name} {verification.platform}",
            want=str(one.image_id),
            got=str(verification.image_id),
        )
        for verification in verifications
        for one in verification.rebuilt
        if not one.is_identical
    ]
    if faults:
        raise DigestMismatchError(faults)


def _verify_one(
    workshop: Workshop, wanted: Wanted, builders: Sequence[str], *, offline: bool, sources: Path | None
) -> Verification:
    with open_image(workshop, wanted) as image, workshop.store.folder("verify") as scratch:
        fresh = replace(workshop, store=BlobStore(scratch / "store"))
        platform = image.platform
        if sources is None:
            with workshop.terminal.step("sources", "take the sources out of the image"):
                recorded = take_out(image, scratch / "sources")
            bundle, lock, plan = _recorded_plan(fresh, recorded, platform)
        else:
            bundle = stages.load(workshop, sources)
            inventory = stages.inventory_of(fresh, bundle)
            lock, (plan,) = stages.plans_of(workshop, bundle, inventory, (platform,))
        fetch_locked(workshop, lock, platform, offline=offline)
        _bring_inputs(workshop, fresh, lock, plan)
        fetch_locked(fresh, lock, platform, offline=True)
        linked = assemble_plan(fresh, bundle, plan, offline=True)
        rebuilt = []
        for builder in builders:
            made = (
                linked if builder == NATIVE else _build(fresh, bundle, plan, linked, builder=builder, scratch=scratch)
            )
            opened = open_linked(f"rebuilt by {builder}", made, fresh.store, scratch)
            with workshop.terminal.step("compare", f"compare with what {builder} made"):
                found = tuple(differences(opened, image))
            rebuilt.append(Rebuilt(builder=builder, image_id=made.image_id, differences=found))
    return Verification(
        name=wanted.name,
        platform=platform,
        image_id=image.image_id,
        sources="recorded in the image" if sources is None else f"bundle {bundle.name} {bundle.version}",
        rebuilt=tuple(rebuilt),
    )


def _recorded_plan(fresh: Workshop, recorded: Recorded, platform: Platform) -> tuple[Bundle, Lock, Plan]:
    if recorded.kiln_version != __version__:
        fresh.terminal.warn(
            f"the image was built by kiln {recorded.kiln_version}, and this is {__version__}; "
            "another release may make other bytes"
        )
    baked = take_inventory(recorded.bundle, RUNTIME, now=fresh.clock.now).runtime
    plan = compile_plan(
        recorded.bundle,
        recorded.lock,
        recorded.inventory(baked),
        platform=platform,
        texts=LockedTexts(
            requirements=recorded.requirements,
            server=server_requirements(),
            training_environment=recorded.training_environment,
        ),
        kiln_version=__version__,
    )
    return recorded.bundle, recorded.lock, plan


def _build(fresh: Workshop, bundle: Bundle, plan: Plan, linked: Image, *, builder: str, scratch: Path) -> Image:
    products = Products(scratch / f"products-{builder}")
    context = render_plan(fresh, bundle, plan, linked, products, templates=None, is_only=True)
    canonical, _ = build_canonical(builder, fresh, plan, linked, context)
    return canonical.image


def _bring_inputs(workshop: Workshop, fresh: Workshop, lock: Lock, plan: Plan) -> None:
    """Link what the lock names into the fresh store, each checked by its hash; nothing that was made goes along."""
    chosen = lock.on(plan.platform)
    digests = [wheel.digest for wheel in wheels_of(chosen)]
    digests += [deb.digest for deb in chosen.system_packages]
    if lock.base.kind is BaseKind.DEBIAN:
        base = load_base(lock.base.name)
        host = Platform.host()
        platforms = {plan.platform, *([host] if host in base.platforms else [])}
        digests += [deb.digest for deb in needed_debs(base, tuple(sorted(platforms, key=str)))]
    else:
        reference = replace(Reference.parse(lock.base.name), tag=None).with_digest(lock.base.digest)
        for locked in lock.base.platforms:
            pulled = find_image(reference, locked.platform, workshop.store)
            if pulled is not None:
                digests += [lock.base.digest, pulled.manifest_digest, pulled.config_digest]
                digests += [layer.descriptor.digest for layer in pulled.layers]
    with workshop.terminal.step("inputs", "check the hashes of what the lock names") as step:
        there = [digest for digest in dict.fromkeys(digests) if workshop.store.has(digest)]
        for number, digest in enumerate(there, 1):
            workshop.store.export(digest, fresh.store.path(digest))
            if not fresh.store.verify(digest):
                workshop.store.path(digest).unlink(missing_ok=True)
                raise DigestMismatchError.of(
                    "a file in the store is damaged and was removed",
                    want=str(digest),
                    hint="run the command again; it will be fetched anew",
                )
            step.note(f"{number} of {len(there)}")
        step.conclude(f"{len(there)} files")
