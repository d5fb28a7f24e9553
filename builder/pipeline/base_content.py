"""What a base image and system packages hold that checks ask for: shared libraries, and the standard library's modules.

Read from the names of files in layers and packages, and remembered for each layer.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from builder.base.model import LockedDeb
from builder.oci.image import Layer
from builder.store.blobs import BlobStore
from builder.store.records import Records

_VERSION = 1
_LIBRARY = re.compile(r"(?:^|/)lib(?:32|64|x32)?/(?:.*/)?([^/]+\.so(?:\.[^/]*)?)\Z")
_STDLIB = re.compile(r"(?:^|/)lib/python3\.\d+/(?!site-packages/|dist-packages/|test/)(?:lib-dynload/)?(.+)\Z")
_MODULE = re.compile(r"((?:[^/.]+/)*[^/.]+)(?:\.py|(?:\.[^/]+)?\.so)\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseContent:
    """File names of shared libraries, and dotted names of standard modules; both empty when nothing is known."""

    libraries: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()


def read_base_content(layers: Iterable[Layer], debs: Iterable[LockedDeb], store: BlobStore) -> BaseContent:
    """Return what is in these layers and packages, all of which must be in the store.

    What an upper layer removes of a lower one still counts as there. Where a layer cannot be read, nothing is known.
    """
    records = Records(store.root, "content")
    libraries: set[str] = set()
    modules: set[str] = set()
    for layer in layers:
        key = {"version": _VERSION, "layer": layer.diff_id.hex}
        known = records.get(key)
        if known is None:
            paths = _layer_paths(layer, store)
            if paths is None:
                return BaseContent()
            known = _facts(paths)
            records.put(key, known)
        libraries |= set(known["libraries"])
        modules |= set(known["modules"])
    for deb in debs:
        key = {"version": _VERSION, "deb": deb.digest.hex}
        known = records.get(key)
        if known is None:
            from builder.base.deb import unpack_deb  # noqa: PLC0415 - only for a package that is new

            known = _facts(entry.path for entry in unpack_deb(deb, store).entries)
            records.put(key, known)
        libraries |= set(known["libraries"])
        modules |= set(known["modules"])
    return BaseContent(libraries=frozenset(libraries), modules=frozenset(modules))


def _layer_paths(layer: Layer, store: BlobStore) -> list[str] | None:
    import tarfile  # noqa: PLC0415 - as above

    try:
        with tarfile.open(store.path(layer.descriptor.digest), "r:*") as archive:
            return archive.getnames()
    except (tarfile.TarError, zlib.error, EOFError, OSError):
        return None


def _facts(paths: Iterable[str]) -> dict[str, list[str]]:
    libraries: set[str] = set()
    modules: set[str] = set()
    for path in paths:
        if found := _STDLIB.search(path):
            if module := _MODULE.match(found[1]):
                modules.add(module[1].replace("/", ".").removesuffix(".__init__"))
        elif found := _LIBRARY.search(path):
            libraries.add(found[1])
    return {"libraries": sorted(libraries), "modules": sorted(modules)}
