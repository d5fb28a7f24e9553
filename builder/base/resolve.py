"""Which packages are needed: the closure of dependencies over what the suites hold."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from builder.base.control import Alternatives, Relation
from builder.base.repository import Package
from builder.errors import BaseImageError, Fault, ResolutionError

EVERY = "*"
"""As the one who needs a package: every package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A dependency that is left out of an image on purpose."""

    package: str
    needed_by: str
    """A package's name, or ``*`` for whichever."""
    reason: str


@dataclass(slots=True)
class Universe:
    """All packages that can be chosen."""

    _by_name: dict[str, list[Package]] = field(default_factory=lambda: defaultdict(list))
    _providers: dict[str, list[Package]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, packages: Iterable[Package]) -> Universe:
        """Gather packages. Earlier ones win among equal versions, so the suite that keeps files longest comes first."""
        universe = cls()
        for package in packages:
            universe._by_name[package.name].append(package)
            for name in package.fields.get("Provides", "").replace(",", " ").split():
                universe._providers[name].append(package)
        return universe

    def candidates(self, relation: Relation) -> list[Package]:
        """Return what satisfies a relation: the package of that name, else those that provide it, by name."""
        own = [one for one in self._newest_first(relation.name) if relation.allows(str(one.version))]
        if own:
            return own
        names = sorted({package.name for package in self._providers.get(relation.name, ())})
        newest = (self._newest_first(name)[0] for name in names)
        return [one for one in newest if any(_offers(offer, relation) for offer in one.provides)]

    def versions(self, name: str) -> list[str]:
        """Return the versions there are of a name, newest first."""
        return list(dict.fromkeys(str(package.version) for package in self._newest_first(name)))

    def _newest_first(self, name: str) -> list[Package]:
        return sorted(self._by_name.get(name, ()), key=lambda package: package.version, reverse=True)

    def close_names(self, name: str) -> list[str]:
        """Return names a person may have meant."""
        prefixed = sorted((one for one in self._by_name if one.startswith(name)), key=len)[:3]
        similar = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.8)
        return list(dict.fromkeys([*similar, *prefixed]))


def close_over(
    names: Sequence[str],
    universe: Universe,
    *,
    cuts: Collection[Cut] = (),
    present: Mapping[str, str] | None = None,
) -> tuple[Package, ...]:
    """Return the packages that ``names`` and all their dependencies need, sorted by name.

    ``present`` maps packages that are there already to their versions: they satisfy dependencies, never change, and
    are not in the result. The result depends on nothing but the arguments. Unknown names, dependencies that cannot
    be met and packages that conflict are one ResolutionError that names each with its chain.
    """
    resolution = _Resolution(universe, cuts, present or {})
    for name in sorted(names):
        resolution.require((Relation.parse(name),), chain=())
    resolution.settle()
    if resolution.faults:
        raise ResolutionError(resolution.faults, hint=resolution.hint)
    return tuple(resolution.chosen[name] for name in sorted(resolution.chosen))


def glibc_of(version: str) -> tuple[int, int]:
    """Return which glibc a libc6 version is: ``2.36-9+deb12u14`` is (2, 36)."""
    try:
        major, minor = version.partition("-")[0].partition("+")[0].split(".")[:2]
        return int(major), int(minor)
    except ValueError as error:
        raise BaseImageError.of("libc6 has a version that makes no sense", got=version) from error


@dataclass(slots=True)
class _Resolution:
    universe: Universe
    cuts: Collection[Cut]
    present: Mapping[str, str]
    chosen: dict[str, Package] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    hint: str | None = None
    _waiting: list[tuple[Package, tuple[str, ...]]] = field(default_factory=list)

    def require(self, group: Alternatives, *, chain: tuple[str, ...]) -> None:
        if any(self._met(one) for one in group):
            return
        needed_by = chain[-1] if chain else None
        if needed_by and any(self._cut(one.name, needed_by) for one in group):
            return
        for relation in group:
            for package in self.universe.candidates(relation):
                if package.name in self.chosen or package.name in self.present or not self._fits(package):
                    continue
                self.chosen[package.name] = package
                self._waiting.append((package, (*chain, package.name)))
                return
        self._refuse(group, chain)

    def settle(self) -> None:
        while self._waiting:
            package, chain = self._waiting.pop(0)
            for group in package.depends:
                self.require(group, chain=chain)
        everything = {name: str(package.version) for name, package in self.chosen.items()} | dict(self.present)
        for package in self.chosen.values():
            for relation in package.conflicts:
                version = everything.get(relation.name)
                if version and relation.name != package.name and relation.allows(version):
                    self.faults.append(
                        Fault(fact=f"{package.name} {package.version} cannot be with {relation.name} {version}")
                    )

    def _met(self, relation: Relation) -> bool:
        if (version := self.present.get(relation.name)) is not None:
            return relation.allows(version)
        package = self.chosen.get(relation.name)
        if package is not None:
            return relation.allows(str(package.version))
        return any(_offers(offer, relation) for one in self.chosen.values() for offer in one.provides)

    def _fits(self, package: Package) -> bool:
        """Tell whether what is present, which never changes, is new and old enough for a package."""
        return all(
            any(one.name not in self.present or one.allows(self.present[one.name]) for one in group)
            for group in package.depends
        )

    def _cut(self, name: str, needed_by: str) -> bool:
        return any(cut.package == name and cut.needed_by in (EVERY, needed_by) for cut in self.cuts)

    def _refuse(self, group: Alternatives, chain: tuple[str, ...]) -> None:
        wanted = " | ".join(str(one) for one in group)
        name = group[0].name
        have = self.present.get(name) or (str(self.chosen[name].version) if name in self.chosen else None)
        versions = self.universe.versions(name)
        if have:
            fact = f"{wanted} is needed, and {name} {have} is what the image has"
            self.hint = "bring the base up to date with `kiln base lock`"
        elif versions:
            fact = f"{wanted} is needed, and no version there is can be used"
        else:
            fact = f"no such package: {wanted}" if not chain else f"{wanted} is needed, and there is no such package"
        close = [] if versions else self.universe.close_names(name)
        if close and not have:
            fact = f"{fact}; did you mean {' or '.join(close)}?"
        self.faults.append(
            Fault(
                fact=fact,
                at=" needs ".join((*chain, name)),
                want=wanted if versions or have else None,
                got=", ".join(versions) if versions else have,
            )
        )


def _offers(offer: Relation, wanted: Relation) -> bool:
    if offer.name != wanted.name:
        return False
    return not wanted.operator or (offer.operator == "=" and wanted.allows(offer.version))
