"""Whether chosen wheels run on the target and need nothing that was not chosen, read from their own metadata."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from builder.errors import Fault, FetchError
from builder.host.zip_errors import ZIP_ERRORS
from builder.lock.model import LockedWheel
from builder.lock.target import Target
from builder.store.blobs import BlobStore


def python_refusals(wheels: Iterable[LockedWheel], target: Target, store: BlobStore) -> tuple[Fault, ...]:
    """Return a fault for each wheel whose Requires-Python the target's exact Python does not meet.

    A wheel's tags speak of minor versions only. All wheels must be in the store.
    """
    faults = []
    for wheel in sorted(wheels):
        wanted = _metadata(wheel, store).get("requires_python") or ""
        try:
            runs = SpecifierSet(wanted).contains(target.release, prereleases=True)
        except InvalidSpecifier:  # pip takes such a wheel too
            continue
        if not runs:
            faults.append(
                Fault(
                    fact=f"{wheel.name} {wheel.version} does not run on Python {target.release}",
                    at=f"Requires-Python of {wheel.filename}",
                    want=f"Python {wanted}",
                    got=f"Python {target.release} on {target.platform}",
                )
            )
    return tuple(faults)


def missing_dependencies(
    wheels: Sequence[LockedWheel], target: Target, store: BlobStore, *, wanted: Iterable[Requirement] = ()
) -> tuple[Fault, ...]:
    """Return a fault for each dependency that holds on the target and that no wheel satisfies.

    A resolver that looked at another patch release of Python (``python_full_version < "3.11.3"``) leaves such gaps.
    All wheels must be in the store.
    """
    by_name = {wheel.name: wheel for wheel in wheels}
    needs = {wheel.name: _needs(wheel, store) for wheel in wheels}
    waiting: list[tuple[str, Requirement]] = [
        ("the bundle", requirement) for requirement in wanted if target.satisfies(requirement.marker)
    ]
    for wheel in wheels:
        waiting += [(wheel.name, need) for need in needs[wheel.name] if target.satisfies(need.marker)]
    faults: dict[str, Fault] = {}
    seen: set[tuple[str, str]] = set()
    while waiting:
        parent, requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        found = by_name.get(name)
        if found is None or not requirement.specifier.contains(found.version, prereleases=True):
            faults[f"{parent} {requirement}"] = Fault(
                fact=f"{parent} needs {name}{requirement.specifier}, which was not chosen for {target}",
                want=str(requirement),
                got=f"{name}=={found.version}" if found else "nothing",
            )
            continue
        for extra in requirement.extras:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += _extra_needs(name, extra, needs, target)
    return tuple(fault for _, fault in sorted(faults.items()))


def _extra_needs(
    name: str, extra: str, needs: Mapping[str, Sequence[Requirement]], target: Target
) -> list[tuple[str, Requirement]]:
    label = f"{name}[{extra}]"
    return [
        (label, need)
        for need in needs[name]
        if not target.satisfies(need.marker) and target.satisfies(need.marker, extra=extra)
    ]


def _needs(wheel: LockedWheel, store: BlobStore) -> tuple[Requirement, ...]:
    try:
        return tuple(Requirement(line) for line in _metadata(wheel, store).get("requires_dist", []))
    except InvalidRequirement as error:
        raise _unreadable(wheel, error) from error


def _metadata(wheel: LockedWheel, store: BlobStore) -> RawMetadata:
    try:
        with zipfile.ZipFile(store.path(wheel.digest)) as archive:
            names = [
                name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            ]
            return parse_email(archive.read(names[0]))[0]
    except ZIP_ERRORS as error:
        raise _unreadable(wheel, error) from error


def _unreadable(wheel: LockedWheel, error: Exception) -> FetchError:
    return FetchError.of(
        f"{wheel.filename} is not a readable wheel: {error}",
        hint=f"require another version of {wheel.name}, or ask its maintainers for a sound wheel",
    )
