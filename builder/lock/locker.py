"""The lock of a bundle: versions resolved, wheels chosen for every platform, all written down as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.base.model import LockedBase, LockedDeb
from builder.bundle.model import Bundle, BundleFile
from builder.errors import BaseImageError, Fault, LockDriftError, ResolutionError
from builder.lock.closure import missing_dependencies, python_refusals
from builder.lock.explain import located
from builder.lock.inputs import collect_inputs
from builder.lock.model import Lock, LockedPlatform, LockedWheel, deep_checksum
from builder.lock.pins import Pin, PinError, merge_pins, parse_pins, pins_for, render_pins
from builder.lock.resolver import Resolver, Uv, Wanted, resolver_for
from builder.lock.selection import select_wheels
from builder.lock.target import Target
from builder.oci.digest import Digest
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

Progress = Callable[[str], None]
INSTALLER = "pip"


@cache
def installer_text() -> str:
    """Return the pin of the pip that Dockerfiles install with."""
    return (Path(__file__).parent / "installer.txt").read_text(encoding="utf-8")


def inputs_of(bundle: Bundle, *, base: Digest, model: Sequence[BundleFile], server_requirements: str) -> dict[str, str]:
    """Return the inputs of the bundle as it is now, for writing a lock or for checking one."""
    return collect_inputs(
        bundle,
        base=base,
        model=model,
        server_requirements=server_requirements,
        installer=installer_text(),
    )


def lock_bundle(
    bundle: Bundle,
    *,
    base: LockedBase,
    system_packages: Mapping[Platform, Sequence[LockedDeb]],
    model: Sequence[BundleFile],
    server_requirements: str,
    store: BlobStore,
    python: str | None = None,
    previous: str | None = None,
    progress: Progress | None = None,
) -> tuple[Lock, str]:
    """Choose everything and return the lock and the text of requirements.lock; every wheel is in the store then.

    ``python`` is the base's exact version, where it is known. ``previous`` is the present requirements.lock: its
    versions stay where they satisfy the requirements. Without it the newest are taken. Several platforms get the
    same versions where that is possible.
    """
    targets = [_target(base, platform, python) for platform in bundle.environment.platforms]
    wanted = tuple(Requirement(line) for line in bundle.environment.requirements)
    kept = _kept(previous)
    try:
        chosen = _choose(wanted, targets, kept, store, progress)
    except ResolutionError as error:
        raise located(error, _places(bundle)) from error
    text = render_pins(merge_pins([(target, _hashed(pins, wheels)) for target, pins, wheels in chosen]), targets)
    platforms = []
    for target, _, wheels in chosen:
        ours = (*pins_for(parse_pins(server_requirements), target), *parse_pins(installer_text()))
        *server, installer = sorted(
            select_wheels(ours, target, store, progress=progress), key=lambda wheel: wheel.name == INSTALLER
        )
        if faults := python_refusals((*server, installer), target, store):
            raise ResolutionError(faults, hint="choose another environment.python and base; kiln's own server needs it")
        platforms.append(
            LockedPlatform(
                platform=target.platform,
                wheels=wheels,
                server_wheels=tuple(server),
                installer=installer,
                system_packages=tuple(sorted(system_packages.get(target.platform, ()))),
            )
        )
    inputs = inputs_of(bundle, base=base.digest, model=model, server_requirements=server_requirements)
    lock = Lock(
        bundle=bundle.name,
        python=bundle.environment.python,
        base=base,
        requirements=Digest.of(text.encode()),
        inputs=inputs,
        platforms=tuple(platforms),
        deep_checksum=deep_checksum(inputs),
    )
    return lock, text


_Choice = tuple[Target, tuple[Pin, ...], tuple[LockedWheel, ...]]


def _choose(
    wanted: Wanted,
    targets: Sequence[Target],
    kept: Sequence[Pin],
    store: BlobStore,
    progress: Progress | None,
) -> list[_Choice]:
    """Choose for each target. Where platforms end up apart, the first is tried again with what the others took."""
    choices = [_choose_one(wanted, targets[0], pins_for(kept, targets[0]), store, progress)]
    for target in targets[1:]:
        choices.append(_choose_one(wanted, target, _prefer(choices[0][1], pins_for(kept, target)), store, progress))
    if len({frozenset((pin.name, pin.version) for pin in pins) for _, pins, _ in choices}) > 1:
        again = [
            _choose_one(wanted, target, _prefer(choices[-1][1], pins), store, progress)
            for target, pins, _ in choices[:-1]
        ]
        again.append(choices[-1])
        if _spread(again) < _spread(choices):
            return again
    return choices


def _choose_one(
    wanted: Wanted, target: Target, kept: Sequence[Pin], store: BlobStore, progress: Progress | None
) -> _Choice:
    resolvers: list[Resolver] = [resolver_for(target)]
    if not isinstance(resolvers[0], Uv):
        resolvers.append(Uv())
    faults: tuple[Fault, ...] = ()
    for resolver in resolvers:
        if progress:
            progress(f"resolving {len(wanted)} requirements for {target} with {resolver.name}")
        pins = resolver.resolve(wanted, target, preferred=kept)
        wheels = select_wheels(pins, target, store, kept=kept, progress=progress)
        # pip-tools looks at this interpreter's patch release; uv is told the target's.
        faults = (
            *python_refusals(wheels, target, store),
            *missing_dependencies(wheels, target, store, wanted=wanted),
        )
        if not faults:
            return target, pins, wheels
    raise ResolutionError(
        faults, hint="require these packages by name, in versions that fit, in the bundle's requirements"
    )


def _places(bundle: Bundle) -> dict[str, str]:
    """Return where each of the author's requirements is written, by normalised name; none where it cannot be told."""
    file = bundle.environment.requirements_file or "bundle.yaml"
    try:
        lines = (bundle.root / file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    places: dict[str, str] = {}
    for requirement in bundle.environment.requirements:
        numbers = (number for number, line in enumerate(lines, start=1) if requirement in line)
        if number := next(numbers, None):
            places[canonicalize_name(Requirement(requirement).name)] = f"{file}:{number}"
    return places


def _prefer(first: Sequence[Pin], second: Sequence[Pin]) -> tuple[Pin, ...]:
    """Return both, by name, the first where they differ; hashes of a version both have are united."""
    by_name = {pin.name: pin for pin in second}
    for pin in first:
        other = by_name.get(pin.name)
        same = other is not None and other.version == pin.version
        by_name[pin.name] = replace(pin, hashes=pin.hashes | other.hashes) if other and same else pin
    return tuple(by_name[name] for name in sorted(by_name))


def _spread(choices: Sequence[_Choice]) -> int:
    """Count how many packages have more than one version between the platforms."""
    versions: dict[str, set[str]] = {}
    for _, pins, _ in choices:
        for pin in pins:
            versions.setdefault(pin.name, set()).add(pin.version)
    return sum(len(found) > 1 for found in versions.values())


def _hashed(pins: Sequence[Pin], wheels: Sequence[LockedWheel]) -> tuple[Pin, ...]:
    """Return the pins with the one hash each that the target accepts."""
    digests = {wheel.name: wheel.digest for wheel in wheels}
    return tuple(replace(pin, hashes=frozenset({digests[pin.name]})) for pin in pins)


def _target(base: LockedBase, platform: Platform, python: str | None) -> Target:
    try:
        return Target.of_base(base, platform, python=python)
    except KeyError as error:
        raise BaseImageError.of(
            f"base image {base.name} is not made for {platform}",
            at="bundle.yaml: environment.platforms",
            want=", ".join(str(known.platform) for known in base.platforms),
            got=str(platform),
            hint="choose another environment.base or leave the platform out",
        ) from error


def _kept(previous: str | None) -> tuple[Pin, ...]:
    if previous is None:
        return ()
    try:
        return parse_pins(previous)
    except PinError as error:
        raise LockDriftError.of(
            f"requirements.lock is malformed: {error}",
            at="requirements.lock",
            hint="delete it and run `kiln lock` again, or run `kiln lock --upgrade`",
        ) from error
