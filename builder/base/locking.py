"""Choosing versions: the only part of base images that asks a mirror what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builder.base.definition import BaseDefinition
from builder.base.lockfile import BaseLock, LockedDebs
from builder.base.mirrors import Mirrors
from builder.base.model import LockedDeb
from builder.base.repository import Package, Release, read_packages, read_release
from builder.base.resolve import EVERY, Universe, close_over, glibc_of
from builder.errors import BaseImageError
from builder.oci.platform import Platform


def _quiet(_: str) -> None:
    return


def read_releases(definition: BaseDefinition, mirrors: Mirrors, *, keyring: Path) -> tuple[Release, ...]:
    """Read and check the release files of a base's suites, in the definition's order."""
    wanted = [(suite.suite, suite.archive, mirrors.of(suite.archive)) for suite in definition.suites]
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = [
            pool.submit(read_release, suite, archive, roots=roots, keyring=keyring) for suite, archive, roots in wanted
        ]
        return tuple(future.result() for future in futures)


def read_universe(releases: Sequence[Release], *, components: Sequence[str], architecture: str) -> Universe:
    """Gather all packages of these suites for one architecture.

    The security archive calls its components ``updates/main`` and so on where it means to; both names are tried.
    """
    packages: list[Package] = []
    for release in releases:
        for component in components:
            name = component
            if f"{name}/binary-{architecture}/Packages.xz" not in release.hashes:
                name = f"updates/{component}"
            packages.extend(read_packages(release, component=name, architecture=architecture))
    return Universe.of(packages)


def resolve_base(
    definition: BaseDefinition, mirrors: Mirrors, *, keyring: Path, progress: Callable[[str], None] = _quiet
) -> BaseLock:
    """Choose every package of a base on each of its platforms, from signed indices only.

    The newest version among the suites wins; among equal ones the suite named first, so a package that a point
    release took in is taken from the main archive, which keeps it longest.
    """
    progress("reading the archive's release files")
    releases = read_releases(definition, mirrors, keyring=keyring)
    platforms = []
    for platform in definition.platforms:
        progress(f"choosing packages for {platform}")
        universe = read_universe(releases, components=definition.components, architecture=platform.architecture)
        packages = close_over(definition.packages, universe, cuts=definition.cuts)
        debs = tuple(package.locked() for package in packages)
        libc = next((deb for deb in debs if deb.name == "libc6"), None)
        if libc is None:
            raise BaseImageError.of(f"base {definition.name} has no libc6, so no wheel could run on it")
        platforms.append(LockedDebs(platform=platform, glibc=glibc_of(libc.version), debs=debs))
    return BaseLock(
        name=definition.name,
        python=_python(definition, platforms[0]),
        definition=definition.digest,
        suites=tuple(release.facts for release in releases),
        platforms=tuple(platforms),
    )


def resolve_system_packages(
    names: Sequence[str],
    definition: BaseDefinition,
    lock: BaseLock,
    platform: Platform,
    mirrors: Mirrors,
    *,
    keyring: Path,
    progress: Callable[[str], None] = _quiet,
) -> tuple[LockedDeb, ...]:
    """Choose what ``names`` need on one platform beyond what the base has, sorted by name.

    The base's packages never change. Names that are unknown (close ones are offered), needs that cannot be met and
    conflicts are one ResolutionError.
    """
    if not names:
        return ()
    progress(f"choosing system packages for {platform}")
    releases = read_releases(definition, mirrors, keyring=keyring)
    universe = read_universe(releases, components=definition.components, architecture=platform.architecture)
    cuts = [cut for cut in definition.cuts if cut.needed_by == EVERY]
    packages = close_over(names, universe, cuts=cuts, present=lock.on(platform).versions)
    return tuple(package.locked() for package in packages)


def _python(definition: BaseDefinition, held: LockedDebs) -> str:
    """Return the interpreter's full version, as its package has it: ``3.11.2-6+deb12u9`` is 3.11.2."""
    name = f"python{definition.python}-minimal"
    for deb in held.debs:
        if deb.name == name:
            return deb.version.partition("-")[0].partition("~")[0]
    raise BaseImageError.of(f"base {definition.name} has no {name}", want=name)
