"""Single steps of the recipe that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builder import __version__
from builder.bundle.inventory import take_inventory
from builder.bundle.model import Bundle, Inventory
from builder.bundle.parser import load_bundle
from builder.errors import BundleError, LockDriftError, UsageError
from builder.host.identity import kiln_identity
from builder.host.names import is_text, show_path
from builder.host.terminal import human_size
from builder.lock.files import REQUIREMENTS_LOCK, read_lock, write_lock
from builder.lock.model import MODEL, Lock
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.pipeline.workshop import RUNTIME, Products, Workshop, server_requirements
from builder.plan.compile import LockedTexts, compile_plan
from builder.plan.model import Origin, Plan
from builder.store.images import read_layout, restore_image
from builder.store.records import Records


def load(workshop: Workshop, path: Path) -> Bundle:
    """Read the bundle and say what would surprise. A folder whose name cannot be written in JSON is a BundleError."""
    if not is_text(path.absolute()):
        raise BundleError.of(
            "the bundle is in a folder whose name is not UTF-8", at=show_path(path.absolute()), hint="rename the folder"
        )
    bundle = load_bundle(path, memory=Records(workshop.store.root, "bundle", by=kiln_identity()))
    for warning in bundle.warnings:
        workshop.terminal.warn(warning)
    return bundle


def inventory_of(workshop: Workshop, bundle: Bundle) -> Inventory:
    """Hash the files of the bundle and of the runtime; what did not change since is not read again."""
    with workshop.terminal.step("inventory", f"read bundle {bundle.name} {bundle.version}") as step:
        inventory = take_inventory(
            bundle,
            RUNTIME,
            memory=Records(workshop.store.root, "files"),
            now=workshop.clock.now,
            progress=step.note,
        )
        size = sum(file.size for file in inventory.model)
        count = len(inventory.code)
        step.conclude(f"model of {human_size(size)}, {count} source file{'s'[: count != 1]}")
    return inventory


def previous_requirements(bundle: Bundle) -> str | None:
    """Return the present requirements.lock, whose versions stay where they can."""
    path = bundle.root / REQUIREMENTS_LOCK
    return path.read_text(errors="replace") if path.is_file() else None


def locked(workshop: Workshop, bundle: Bundle, inventory: Inventory) -> tuple[Lock, str]:
    """Return the lock and requirements.lock of the bundle; a LockDriftError with every reason when they do not fit.

    That the choice fits is remembered by everything it follows from, so that it is found out once.
    """
    lock, requirements = read_lock(bundle.root)
    records, key = _choices(workshop), _choice(bundle, lock, requirements)
    is_known = lock.is_sealed and lock.model_inputs == _model_inputs(inventory) and records.get(key) is True
    if not is_known:
        from builder.pipeline.drift import require_fit  # noqa: PLC0415 - brings all that locking takes

        require_fit(lock, bundle, inventory, requirements)
        records.put(key, value=True)
    return lock, requirements


def take_model(workshop: Workshop, bundle: Bundle, inventory: Inventory) -> bool:
    """Write a changed model into the lock, when the model is all that changed; tell whether it was. Chooses nothing."""
    try:
        lock, requirements = read_lock(bundle.root)
    except LockDriftError:
        return False
    files = _model_inputs(inventory)
    if lock.model_inputs == files or not lock.is_sealed:
        return False
    if _choices(workshop).get(_choice(bundle, lock, requirements)) is not True:
        from builder.pipeline.drift import locked_but_for_the_model  # noqa: PLC0415 - as above

        if locked_but_for_the_model(bundle, inventory) is None:
            return False
    write_lock(bundle.root, lock.with_model(files), requirements)
    workshop.terminal.say("  the lock names the new model; every version stays")
    return True


def _choices(workshop: Workshop) -> Records:
    return Records(workshop.store.root, "locks", by=kiln_identity())


def _choice(bundle: Bundle, lock: Lock, requirements: str) -> dict[str, Any]:
    """Return all that tells whether what was chosen is what the bundle asks for."""
    environment = bundle.environment
    return {
        "lock": lock.with_model({}).to_dict(),
        "requirements": requirements,
        "server": server_requirements(),
        "base": environment.base,
        "platforms": [str(platform) for platform in environment.platforms],
        "python": environment.python,
        "system_packages": list(environment.system_packages),
        "wanted": list(environment.requirements),
    }


def _model_inputs(inventory: Inventory) -> dict[str, str]:
    return {f"{MODEL}{file.path}": str(file.digest) for file in inventory.model}


def chosen_platforms(bundle: Bundle, asked: Sequence[Platform]) -> tuple[Platform, ...]:
    """Return the platforms asked for, each of which the bundle must name; all of the bundle's when none is."""
    named = bundle.environment.platforms
    if unknown := [platform for platform in asked if platform not in named]:
        raise UsageError.of(
            f"the bundle is not for {unknown[0]}",
            at="bundle.yaml environment.platforms",
            want=", ".join(str(platform) for platform in named),
            got=str(unknown[0]),
        )
    return tuple(asked) or named


def host_platform(bundle: Bundle) -> Platform:
    """Return this machine's platform, which the bundle must name for its image to be run here."""
    host = Platform.host()
    if host is None or host not in bundle.environment.platforms:
        raise UsageError.of(
            "the bundle has no image that runs on this machine",
            want=", ".join(str(platform) for platform in bundle.environment.platforms),
            got=str(host or "another system"),
            hint="test it on such a machine, or add this one's platform to environment.platforms",
        )
    return host


def plans_of(
    workshop: Workshop, bundle: Bundle, inventory: Inventory, platforms: Sequence[Platform]
) -> tuple[Lock, tuple[Plan, ...]]:
    """Return the lock, which fits, and the plan of each platform."""
    lock, requirements = locked(workshop, bundle, inventory)
    environment = bundle.model.training_environment
    texts = LockedTexts(
        requirements=requirements,
        server=server_requirements(),
        training_environment=(bundle.root / environment).read_text() if environment else None,
    )
    return lock, tuple(
        compile_plan(bundle, lock, inventory, platform=platform, texts=texts, kiln_version=__version__)
        for platform in chosen_platforms(bundle, platforms)
    )


def built_image(workshop: Workshop, products: Products, platform: Platform) -> Image:
    """Return the image that was built for a platform; all its blobs are in the store then."""
    image = read_layout(products.layout, platform)
    restore_image(image, products.layout, workshop.store)
    return image


def origins(bundle: Bundle) -> dict[Origin, Path]:
    """Return the folders planned files are read from."""
    return {Origin.BUNDLE: bundle.root, Origin.RUNTIME: RUNTIME}


def destination(registry: str, bundle: Bundle) -> Reference:
    """Return ``registry/repository:version``; a registry that cannot be read is a UsageError."""
    scheme, separator, rest = registry.partition("://")
    if separator:
        raise UsageError.of(
            "a registry is named without a scheme",
            at="REGISTRY",
            want="host[:port][/path]",
            got=registry,
            hint=f"leave out {scheme}:// (REGISTRY={rest.rstrip('/')}); which one it speaks is found out",
        )
    try:
        reference = Reference.parse(f"{registry.rstrip('/')}/{bundle.repository}:{bundle.version}")
    except ValueError as error:
        raise UsageError.of(f"{error}", at="REGISTRY", want="host[:port][/path]", got=registry) from error
    if reference.registry is None:
        raise UsageError.of(
            "no registry host in the destination", at="REGISTRY", want="host[:port][/path]", got=registry
        )
    return reference
