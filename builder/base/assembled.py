"""Base images as the pipeline sees them: by name, fetched, and as the entries of one layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.base import locking
from builder.base.bytecode import compile_stdlib_entries, stdlib_sources
from builder.base.deb import UnpackedDeb, unpack_deb
from builder.base.definition import BaseDefinition, read_definition
from builder.base.fetch import fetch_debs
from builder.base.fixups import apply_fixups
from builder.base.lockfile import TREE_VERSION, BaseLock, read_lock, write_lock
from builder.base.mirrors import Mirrors, find_keyring, find_mirrors
from builder.base.model import LockedDeb
from builder.base.scripts import check_scripts
from builder.base.tree import Tree
from builder.errors import BaseImageError, HostError
from builder.host.resources import resource_dir
from builder.host.settings import Settings
from builder.oci.digest import Digest
from builder.oci.entry import Entry
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

DEFAULT_BASES = {"3.11": "debian12-python3.11", "3.13": "debian13-python3.13"}
"""The base a bundle gets when it names none, by Python version."""


def _quiet(_: str) -> None:
    return


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseImage:
    """A base image with its versions chosen; nothing of it need be on this machine yet."""

    definition: BaseDefinition
    lock: BaseLock

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.definition.name

    @property
    def digest(self) -> Digest:
        """The deep digest: what pins the base in a bundle's lock."""
        return self.lock.digest

    @property
    def python(self) -> str:
        """The interpreter's minor version, as bundles name it: ``3.11``."""
        return self.definition.python

    @property
    def interpreter(self) -> str:
        """The interpreter's absolute path; a regular file."""
        return self.definition.interpreter

    @property
    def env(self) -> tuple[tuple[str, str], ...]:
        """The environment it brings."""
        return self.definition.env

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms it is locked for."""
        return tuple(one.platform for one in self.lock.platforms)

    def glibc(self, platform: Platform) -> tuple[int, int]:
        """Which manylinux wheels it can run."""
        return self.lock.on(platform).glibc


def known_bases(*, root: Path | None = None) -> tuple[str, ...]:
    """Return the names of the bases there are definitions of, sorted."""
    folder = root or resource_dir("base-images")
    return tuple(sorted(path.parent.name for path in folder.glob("*/definition.yaml")))


def load_base(name: str, *, root: Path | None = None) -> BaseImage:
    """Read a base's definition and lock; an unknown name is a BaseImageError that lists the known ones."""
    definition = load_definition(name, root=root)
    return BaseImage(definition=definition, lock=read_lock(definition, _folder(name, root) / "lock.json"))


def load_definition(name: str, *, root: Path | None = None) -> BaseDefinition:
    """Read a base's definition alone, for locking it; an unknown name is a BaseImageError."""
    known = known_bases(root=root)
    if name not in known:
        raise BaseImageError.of(f"no such base image: {name}", want=" or ".join(known) or "a definition", got=name)
    return read_definition(name, _folder(name, root) / "definition.yaml")


def lock_base(
    name: str, settings: Settings, *, root: Path | None = None, progress: Callable[[str], None] = _quiet
) -> tuple[BaseLock, bool]:
    """Choose the versions of a base anew and write its lock; return it, and whether anything changed.

    A lock whose packages are still the newest is left as it is, to the byte.
    """
    definition = load_definition(name, root=root)
    path = _folder(name, root) / "lock.json"
    keyring = find_keyring(settings)
    lock = locking.resolve_base(definition, find_mirrors(settings), keyring=keyring, progress=progress)
    try:
        before: BaseLock | None = read_lock(definition, path)
    except BaseImageError:
        before = None
    if before is not None and before.platforms == lock.platforms:
        return before, False
    try:
        write_lock(lock, path)
    except OSError as error:
        raise HostError.of(f"the base's lock cannot be written: {error.strerror}", at=str(path)) from error
    return lock, True


def resolve_system_packages(
    names: Sequence[str],
    base: BaseImage,
    platform: Platform,
    settings: Settings,
    *,
    progress: Callable[[str], None] = _quiet,
) -> tuple[LockedDeb, ...]:
    """Choose what these packages need on a platform beyond the base, sorted by name."""
    if not names:
        return ()
    mirrors, keyring = find_mirrors(settings), find_keyring(settings)
    return locking.resolve_system_packages(
        names, base.definition, base.lock, platform, mirrors, keyring=keyring, progress=progress
    )


def needed_debs(base: BaseImage, platforms: Iterable[Platform]) -> tuple[LockedDeb, ...]:
    """Return the packages that making a base takes: those of the platforms, and of this machine's own."""
    wanted = [*platforms, _host(base)]
    return tuple(dict.fromkeys(deb for platform in wanted for deb in base.lock.on(platform).debs))


def fetch_base(
    base: BaseImage,
    platforms: Iterable[Platform],
    store: BlobStore,
    settings: Settings,
    *,
    progress: Callable[[str], None] = _quiet,
) -> None:
    """Bring all that making a base takes into the store; no network is touched when it is there."""
    remedy = f"run `kiln base lock {base.name}` for versions the mirror has, or set KILN_DEBIAN_SNAPSHOT"
    _fetch(needed_debs(base, platforms), store, settings, remedy, progress)


def fetch_system_packages(
    debs: Iterable[LockedDeb], store: BlobStore, settings: Settings, *, progress: Callable[[str], None] = _quiet
) -> None:
    """Bring a bundle's system packages into the store; no network is touched when they are there."""
    remedy = "run `kiln lock` for versions the mirror has, or set KILN_DEBIAN_SNAPSHOT"
    _fetch(debs, store, settings, remedy, progress)


def base_entries(
    base: BaseImage, platform: Platform, store: BlobStore, *, progress: Callable[[str], None] = _quiet
) -> tuple[Entry, ...]:
    """Return a base's tree as sorted entries; equal for equal ``base.digest`` on every machine.

    Its packages must be in the store. Contents are slices of blobs there, so the store must outlive the entries.
    A package that is damaged, or whose maintainer script matters, is a BaseImageError.
    """
    progress(f"unpacking {base.name} for {platform}")
    tree = _tree(base, platform, store)
    sources = stdlib_sources(tree.entries(), base.python)
    host = _host(base)
    host_tree = tree if host == platform else _tree(base, host, store)
    progress(f"compiling the standard library of {base.name} for {platform}")
    pythons = [deb.digest.hex for deb in base.lock.on(platform).debs if "python" in deb.name]
    bytecode = compile_stdlib_entries(
        sources,
        key={"tree_version": TREE_VERSION, "definition": base.definition.digest.hex, "debs": pythons},
        interpreter=base.interpreter,
        host_tree=host_tree.entries(),
        host=host,
        store=store,
    )
    for entry in bytecode:
        tree.put(entry)
    return tree.entries()


def system_entries(
    base: BaseImage, platform: Platform, debs: Iterable[LockedDeb], store: BlobStore
) -> tuple[Entry, ...]:
    """Return system packages as the sorted entries of a layer on top of the base, without what the base has.

    A package that would replace a file of the base is a BaseImageError, and so are those ``base_entries`` refuses.
    """
    unpacked = [unpack_deb(deb, store) for deb in debs]
    if not unpacked:
        return ()
    check_scripts(unpacked)
    tree = Tree(base.definition.removals)
    for package in unpacked:
        tree.add_package(package)
    return tree.entries(upon=_tree(base, platform, store).entries())


def _tree(base: BaseImage, platform: Platform, store: BlobStore) -> Tree:
    unpacked: list[UnpackedDeb] = [unpack_deb(deb, store) for deb in base.lock.on(platform).debs]
    check_scripts(unpacked)
    tree = Tree(base.definition.removals)
    for package in unpacked:
        tree.add_package(package)
    apply_fixups(tree, base.definition)
    return tree


def _host(base: BaseImage) -> Platform:
    """Return the platform of this machine, whose interpreter compiles for all."""
    host = Platform.host()
    if host is None or host not in base.platforms:
        raise BaseImageError.of(
            f"base {base.name} cannot be made on this machine: its interpreter does not run here",
            want=" or ".join(str(platform) for platform in base.platforms),
            got=str(host) if host else "another operating system or processor",
            hint="build on Linux with one of these processors, or name a base from a registry",
        )
    return host


def _fetch(
    debs: Iterable[LockedDeb],
    store: BlobStore,
    settings: Settings,
    remedy: str,
    progress: Callable[[str], None],
) -> None:
    def mirrors() -> Mirrors:
        return find_mirrors(settings)

    fetch_debs(debs, store, mirrors, remedy=remedy, jobs=max(4, 2 * settings.jobs), progress=progress)


def _folder(name: str, root: Path | None) -> Path:
    return (root or resource_dir("base-images")) / name
