"""Bringing base images into the store and pinning them, whichever kind they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from builder.assemble.framing import ENCODER
from builder.assemble.layer import write_layer
from builder.base.assembled import BaseImage, base_entries, fetch_base, known_bases, load_base, needed_debs
from builder.base.inspection import inspect_tree
from builder.base.model import BaseKind, LockedBase, LockedBasePlatform
from builder.bundle.model import Bundle
from builder.errors import BaseImageError, DigestMismatchError, FetchError
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.pipeline.workshop import Workshop
from builder.plan.model import ASSEMBLY_VERSION
from builder.publish.pull import PulledImage, find_image, pull_image, resolve
from builder.store.records import Records
from builder.store.tree import hold_tree

Progress = Callable[[str], None]


def lock_base_of(bundle: Bundle, workshop: Workshop, progress: Progress) -> LockedBase:
    """Pin the bundle's base on all its platforms; its layers are in the store then.

    A name under base-images/ is assembled from its lock; anything else is a registry reference, whose tag is looked
    up once, here.
    """
    environment = bundle.environment
    if environment.base in known_bases():
        return _lock_assembled(load_base(environment.base), environment.platforms, workshop, progress)
    return _lock_pulled(bundle, workshop, progress)


def exact_python(base: LockedBase) -> str | None:
    """Return the patch release of a base's Python where its own lock tells it, as that of an assembled base does."""
    return load_base(base.name).lock.python if base.kind is BaseKind.DEBIAN else None


def require_base(
    base: LockedBase, platform: Platform, workshop: Workshop, *, offline: bool, progress: Progress
) -> None:
    """Bring a locked base's layers into the store where they are missing; the same bytes, or an error."""
    locked = base.on(platform)
    missing = [layer for layer in locked.layers if not workshop.store.has(layer.descriptor.digest)]
    if not missing:
        return
    if base.kind is BaseKind.DEBIAN:
        image = load_base(base.name)
        if image.digest != base.digest:
            raise BaseImageError.of(
                "the base's own lock is not the one this bundle was locked with",
                at=f"base-images/{base.name}/lock.json",
                want=str(base.digest),
                got=str(image.digest),
                hint="run `kiln lock` to take up the present one",
            )
        layer = assembled_layer(image, platform, workshop, offline=offline, progress=progress)
        if layer.diff_id != locked.layers[0].diff_id:
            raise DigestMismatchError.of(
                f"base {base.name} came out with other bytes than were locked",
                want=str(locked.layers[0].diff_id),
                got=str(layer.diff_id),
                hint="the lock was made by another version of kiln; run `kiln lock`",
            )
        return
    pulled_layers(base, platform, workshop, offline=offline, progress=progress)


def pulled_layers(
    base: LockedBase, platform: Platform, workshop: Workshop, *, offline: bool, progress: Progress
) -> tuple[Layer, ...]:
    """Return the layers of a registry's base on a platform, brought into the store if need be."""
    reference = _pinned(base.name, base.digest)
    found = find_image(reference, platform, workshop.store)
    if found is None and offline:
        raise FetchError.of(
            f"base {base.name} is not in the store", want=str(base.digest), hint="run `kiln fetch` with the network"
        )
    return (found or pull_image(reference, platform, workshop.store, progress=progress)).layers


def assembled_layer(
    image: BaseImage, platform: Platform, workshop: Workshop, *, offline: bool, progress: Progress
) -> Layer:
    """Return the one layer of an assembled base, made now or remembered."""
    records = Records(workshop.store.root, "bases")
    key = {
        "base": image.digest.hex,
        "platform": str(platform),
        "assembly_version": ASSEMBLY_VERSION,
        "encoder": ENCODER,
    }
    if (layer := _recall(records.get(key), workshop)) is not None:
        return layer
    if offline:
        _refuse_missing_debs(image, platform, workshop)
    fetch_base(image, (platform,), workshop.store, workshop.settings, progress=progress)
    entries = base_entries(image, platform, workshop.store, progress=progress)
    progress(f"writing {image.name} for {platform}")
    layer = write_layer(entries, workshop.store, title=image.name)
    records.put(key, {**layer.descriptor.to_dict(), "diff_id": str(layer.diff_id), "title": layer.title})
    return layer


def _recall(record: Any, workshop: Workshop) -> Layer | None:
    try:
        layer = Layer(
            descriptor=Descriptor.from_dict(record), diff_id=Digest.parse(record["diff_id"]), title=record["title"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):  # lost, or of another release: it is made again
        return None
    return layer if workshop.store.has(layer.descriptor.digest) else None


def _refuse_missing_debs(image: BaseImage, platform: Platform, workshop: Workshop) -> None:
    missing = [deb for deb in needed_debs(image, (platform,)) if not workshop.store.has(deb.digest)]
    if missing:
        raise FetchError.of(
            f"{len(missing)} packages of base {image.name} are not in the store",
            want=", ".join(f"{deb.name} {deb.version}" for deb in missing[:5]),
            hint="run `kiln fetch` once with the network",
        )


def _lock_assembled(
    image: BaseImage, platforms: Sequence[Platform], workshop: Workshop, progress: Progress
) -> LockedBase:
    unknown = [platform for platform in platforms if platform not in image.platforms]
    if unknown:
        raise BaseImageError.of(
            f"base {image.name} is not locked for {unknown[0]}",
            want=", ".join(str(platform) for platform in image.platforms),
            got=str(unknown[0]),
        )
    return LockedBase(
        kind=BaseKind.DEBIAN,
        name=image.name,
        digest=image.digest,
        python=image.python,
        platforms=tuple(
            LockedBasePlatform(
                platform=platform,
                layers=(assembled_layer(image, platform, workshop, offline=False, progress=progress),),
                interpreter=image.interpreter,
                glibc=image.glibc(platform),
                env=image.env,
            )
            for platform in platforms
        ),
    )


def _lock_pulled(bundle: Bundle, workshop: Workshop, progress: Progress) -> LockedBase:
    environment = bundle.environment
    try:
        reference = Reference.parse(environment.base)
    except ValueError as error:
        raise BaseImageError.of(
            f"not a base image: {error}", at="bundle.yaml environment.base", want=", ".join(known_bases())
        ) from error
    if reference.registry is None:
        raise BaseImageError.of(
            f"no such base image: {environment.base}",
            at="bundle.yaml environment.base",
            want=f"one of {', '.join(known_bases())}, or a reference that names its registry",
            got=environment.base,
        )
    digest = reference.digest or resolve(reference, environment.platforms[0]).digest
    name = str(replace(reference, digest=None))
    platforms = []
    for platform in environment.platforms:
        pulled = pull_image(_pinned(name, digest), platform, workshop.store, progress=progress)
        platforms.append(_facts(pulled, platform, environment.python, workshop, progress))
    return LockedBase(
        kind=BaseKind.REGISTRY, name=name, digest=digest, python=environment.python, platforms=tuple(platforms)
    )


def _facts(
    pulled: PulledImage, platform: Platform, python: str, workshop: Workshop, progress: Progress
) -> LockedBasePlatform:
    tree = hold_tree(pulled.layers, workshop.store, own=False, progress=progress)
    try:
        facts = inspect_tree(tree.path, python=python, at=str(pulled.reference))
    finally:
        tree.release()
    return LockedBasePlatform(
        platform=platform,
        layers=pulled.layers,
        interpreter=facts.interpreter,
        glibc=facts.glibc,
        env=pulled.config.env,
        manifest=pulled.manifest_digest,
    )


def _pinned(name: str, digest: Digest) -> Reference:
    return replace(Reference.parse(name), tag=None).with_digest(digest)
