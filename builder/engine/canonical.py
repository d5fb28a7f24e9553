"""An engine's result made canonical: its final tree, cut by the plan's ownership of paths, in our own layers.

Builders differ in how they write layers: times, names, order, parent folders, mount stubs (docs/explanation). They
agree on the tree. So the tree is what is taken; where it equals the linked image's, so do layers and image ID.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder.assemble.layer import Compression, write_layer
from builder.engine.saved import Tree
from builder.errors import EngineError, Fault
from builder.oci.entry import CHUNK, Entry, EntryKind
from builder.oci.image import Image, Layer
from builder.plan import places
from builder.plan.model import Plan, Purpose
from builder.store.blobs import BlobStore

_STUBS = frozenset(
    {".dockerenv", "dev", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "run", "sys"}
)
"""What builders leave in a layer for their own mounts."""
_TRACES = re.compile(r".+\.dist-info/(INSTALLER|RECORD|REQUESTED|direct_url\.json)\Z")
"""What an installer writes about itself; the plan says what stands there."""
_SCRIPTS = tuple(f"{prefix}/bin/" for prefix in (places.PACKAGES, places.SERVER_PACKAGES))
"""Commands of wheels: every installer writes them from a template of its own; the linker's is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field of one path that is not what the linked image has."""

    path: str
    field: str
    linked: str
    built: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Canonical:
    """The engine's result as an image, and in what it differs from the linked one; equal when there is nothing."""

    image: Image
    differences: tuple[Difference, ...]


def canonicalise(plan: Plan, linked: Image, built: Tree, store: BlobStore) -> Canonical:
    """Return the image an engine's tree makes when cut by the plan.

    Layers whose every entry equals the linked image's are that image's layers; the others are written anew from the
    engine's bytes. A path the plan owns that is not there, one nobody owns, and one of the base that changed are one
    EngineError: such a tree is not what the Dockerfile says.
    """
    base_count = len(plan.base_on_platform.layers)
    base = {path: seen for layer in linked.layers[:base_count] for path, seen in _read(layer, store).items()}
    owned = [_read(layer, store) for layer in linked.layers[base_count:]]
    _refuse_strangers(base, owned, built)
    differences: list[Difference] = []
    layers = list(linked.layers[:base_count])
    for planned, layer, paths in zip(plan.layers, linked.layers[base_count:], owned, strict=True):
        found = [difference for path, seen in paths.items() for difference in _compare(path, seen, built)]
        differences += found
        if found:
            compression = Compression.STORE if planned.purpose is Purpose.MODEL else Compression.DEFLATE
            entries = [built[path] for path in paths if not _is_trace(path)]
            layer = write_layer(entries, store, title=layer.title, compression=compression)  # noqa: PLW2901
        layers.append(layer)
    config = linked.config.with_layers(tuple(layer.diff_id for layer in layers))
    store.add(config.encode())
    return Canonical(image=Image(config=config, layers=tuple(layers)), differences=tuple(differences))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """An entry of a linked layer, its content as a digest."""

    kind: EntryKind
    mode: int
    uid: int
    gid: int
    link: str
    sha256: str


def _read(layer: Layer, store: BlobStore) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    with tarfile.open(store.path(layer.descriptor.digest), mode="r:*") as tar:
        for member in tar:
            path = member.name.strip("/")
            kind, link, digest = EntryKind.DIRECTORY, "", ""
            if member.issym():
                kind, link = EntryKind.SYMLINK, member.linkname
            elif member.islnk():
                kind, digest = EntryKind.FILE, seen[member.linkname].sha256
            elif member.isreg():
                stream = tar.extractfile(member)
                assert stream is not None  # noqa: S101 - a regular file has content
                hasher = hashlib.sha256()
                while chunk := stream.read(CHUNK):
                    hasher.update(chunk)
                kind, digest = EntryKind.FILE, hasher.hexdigest()
            seen[path] = _Seen(kind=kind, mode=member.mode, uid=member.uid, gid=member.gid, link=link, sha256=digest)
    return seen


def _refuse_strangers(base: Mapping[str, _Seen], owned: list[dict[str, _Seen]], built: Tree) -> None:
    planned = {path for paths in owned for path in paths}
    faults = [
        Fault(fact="the engine's image has a path nobody planned", at=f"/{path}")
        for path in sorted(built.keys() - base.keys() - planned)
        if not _is_stub(path) and not _is_trace(path)
    ]
    faults += [
        Fault(fact="the engine's image lacks a planned path", at=f"/{path}")
        for path in sorted(planned - built.keys())
        if not _is_trace(path)
    ]
    faults += [
        Fault(
            fact=f"the engine's image changed the base ({difference.field})",
            at=f"/{difference.path}",
            want=difference.linked,
            got=difference.built,
        )
        for path, seen in base.items()
        if path not in planned and not _is_stub(path)
        for difference in _compare(path, seen, built)
    ]
    if faults:
        raise EngineError(faults[:20], hint="the Dockerfile was changed, or its template adds what is not in the plan")


def _is_stub(path: str) -> bool:
    return path in _STUBS or path.startswith(("dev/", "proc/", "sys/", "run/"))


def _is_trace(path: str) -> bool:
    return bool(_TRACES.match(path)) or path.startswith(_SCRIPTS)


def _compare(path: str, seen: _Seen, built: Tree) -> Iterator[Difference]:
    if _is_trace(path):
        return
    entry = built.get(path)
    if entry is None:
        yield Difference(path=path, field="path", linked=str(seen.kind), built="nothing")
        return
    pairs = [
        ("kind", str(seen.kind), str(entry.kind)),
        ("mode", f"{seen.mode:04o}", f"{entry.mode:04o}"),
        ("owner", f"{seen.uid}:{seen.gid}", f"{entry.uid}:{entry.gid}"),
        ("link", seen.link, entry.link),
    ]
    if seen.kind is entry.kind:
        pairs.append(("content", seen.sha256, _digest(entry)))
    for field, linked, got in pairs:
        if linked != got:
            yield Difference(path=path, field=field, linked=linked, built=got)


def _digest(entry: Entry) -> str:
    if entry.content is None:
        return ""
    hasher = hashlib.sha256()
    for chunk in entry.content.chunks():
        hasher.update(chunk)
    return hasher.hexdigest()
