"""Single steps of the recipe that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builder import __version__
from builder.assemble.assembler import assemble
from builder.base.assembled import fetch_system_packages, load_base, resolve_system_packages, system_entries
from builder.base.model import BaseKind, LockedBase, LockedDeb
from builder.bundle.inventory import take_inventory
from builder.bundle.model import Bundle, Inventory
from builder.bundle.parser import load_bundle
from builder.errors import BaseImageError, FetchError, LockDriftError, UsageError
from builder.host.terminal import human_size
from builder.lock.drift import check_lock, fits_but_for_the_model
from builder.lock.fetch import fetch_wheels, wheels_of
from builder.lock.files import REQUIREMENTS_LOCK, read_lock
from builder.lock.locker import inputs_of
from builder.lock.model import Lock
from builder.lock.target import Target
from builder.oci.entry import Entry
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.pipeline.bases import require_base
from builder.pipeline.interpreters import interpreter_for
from builder.pipeline.workshop import RUNTIME, Products, Workshop
from builder.plan.compile import LockedTexts, compile_plan
from builder.plan.model import Origin, Plan, Purpose
from builder.render.context import write_context
from builder.render.dockerfile import render_dockerfile
from builder.store.images import read_layout, restore_image
from builder.store.records import Records


def load(workshop: Workshop, path: Path) -> Bundle:
    """Read the bundle and say what would surprise."""
    bundle = load_bundle(path)
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


def server_requirements() -> str:
    """Return the server's own locked requirements."""
    return (RUNTIME / "requirements.lock").read_text()


def previous_requirements(bundle: Bundle) -> str | None:
    """Return the present requirements.lock, whose versions stay where they can."""
    path = bundle.root / REQUIREMENTS_LOCK
    return path.read_text(errors="replace") if path.is_file() else None


def locked(bundle: Bundle, inventory: Inventory) -> tuple[Lock, str]:
    """Return the lock and requirements.lock of the bundle; a LockDriftError with every reason when they do not fit."""
    lock, requirements = read_lock(bundle.root)
    check_lock(lock, _inputs_now(bundle, inventory, lock), requirements, where=str(bundle.root))
    return lock, requirements


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


def choose_system_packages(
    workshop: Workshop, bundle: Bundle, base: LockedBase
) -> dict[Platform, tuple[LockedDeb, ...]]:
    """Choose the bundle's system packages on every platform; only an assembled base can take any."""
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
        chosen = {
            locked.platform: resolve_system_packages(
                names, image, locked.platform, workshop.settings, progress=step.note
            )
            for locked in base.platforms
        }
        debs = {deb for one in chosen.values() for deb in one}
        fetch_system_packages(debs, workshop.store, workshop.settings, progress=step.note)
        for platform, wanted in chosen.items():
            # Unpacked now, so that a package that cannot be taken is refused here and not at the first build.
            system_entries(image, platform, wanted, workshop.store)
    return chosen


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


def plans_of(bundle: Bundle, inventory: Inventory, platforms: Sequence[Platform]) -> tuple[Lock, tuple[Plan, ...]]:
    """Return the lock, which fits, and the plan of each platform."""
    lock, requirements = locked(bundle, inventory)
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


def fetch_locked(workshop: Workshop, lock: Lock, platform: Platform, *, offline: bool) -> None:
    """Bring base, system packages and wheels of one platform into the store: verified, and only what is missing."""
    chosen = lock.on(platform)
    with workshop.terminal.step("fetch", f"fetch for {platform}") as step:
        require_base(lock.base, platform, workshop, offline=offline, progress=step.note)
        missing = [deb for deb in chosen.system_packages if not workshop.store.has(deb.digest)]
        if missing and offline:
            raise FetchError.of(
                f"{len(missing)} system packages are not in the store",
                want=", ".join(f"{deb.name} {deb.version}" for deb in missing),
                hint="run `kiln fetch` once with the network",
            )
        fetch_system_packages(missing, workshop.store, workshop.settings, progress=step.note)
        wheels = wheels_of(chosen)
        brought = fetch_wheels(
            wheels, Target.of_base(lock.base, platform), workshop.store, offline=offline, progress=step.note
        )
        step.conclude(f"{brought} of {len(wheels)} wheels were missing" if brought else "everything is here")


def assemble_plan(workshop: Workshop, bundle: Bundle, plan: Plan, *, offline: bool) -> Image:
    """Link the image of a plan; layers that were made before are taken as they are."""

    def deb_entries(debs: tuple[LockedDeb, ...]) -> tuple[Entry, ...]:
        return system_entries(load_base(plan.base.name), plan.platform, debs, workshop.store)

    with workshop.terminal.step("assemble", f"assemble {plan.tag} for {plan.platform}") as step:
        with interpreter_for(plan, workshop, offline=offline, progress=step.note) as interpreter:
            image = assemble(
                plan,
                store=workshop.store,
                origins=origins(bundle),
                deb_entries=deb_entries,
                interpreter=interpreter,
                jobs=workshop.settings.jobs,
                progress=step.note,
                memory=Records(workshop.store.root, "files"),
            )
        size = sum(layer.descriptor.size for layer in image.layers)
        step.conclude(f"image {image.image_id.short}, {len(image.layers)} layers, {human_size(size)}")
    return image


def render_plan(
    workshop: Workshop,
    bundle: Bundle,
    plan: Plan,
    image: Image,
    products: Products,
    *,
    templates: Path | None,
    is_only: bool,
) -> Path:
    """Write the Dockerfile and its context and return the folder."""
    destination = products.context(plan.platform, is_only=is_only)
    made = image.layers[len(plan.base_on_platform.layers) :]
    system = [
        layer.descriptor.digest
        for planned, layer in zip(plan.layers, made, strict=True)
        if planned.purpose is Purpose.SYSTEM
    ]
    with workshop.terminal.step("render", "write the Dockerfile and its context"):
        write_context(
            plan,
            render_dockerfile(plan, templates),
            store=workshop.store,
            origins=origins(bundle),
            system_blobs=system,
            destination=destination,
        )
    return destination


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
