"""Makes small wheels, good and bad, and reads layers back with the standard library."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from builder.lock.model import LockedWheel
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.plan import places
from builder.plan.model import WheelSource
from builder.store.blobs import BlobStore

WHEEL = b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def record_of(files: Mapping[str, bytes], record: str) -> bytes:
    """Return the RECORD of a wheel with these files."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for path, data in files.items():
        encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.writerow((path, f"sha256={encoded}", len(data)))
    rows.writerow((record, "", ""))
    return out.getvalue().encode()


def make_wheel(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    name: str = "demo",
    version: str = "1.0",
    modes: Mapping[str, int] | None = None,
    overrides: Mapping[str, bytes | None] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write a wheel. ``overrides`` replace or (None) drop files after RECORD was made."""
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": WHEEL,
    }
    if "entry_points.txt" in content:
        content[f"{info}/entry_points.txt"] = content.pop("entry_points.txt")
    content[f"{info}/RECORD"] = record_of(content, f"{info}/RECORD")
    for path, data in (overrides or {}).items():
        if data is None:
            content.pop(path.replace("INFO", info))
        else:
            content[path.replace("INFO", info)] = data
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, data in content.items():
            entry = zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (modes or {}).get(member, 0o100644) << 16
            entry.compress_type = method
            archive.writestr(entry, data)
    return path


def source_of(wheel: Path, *, prefix: str = places.PACKAGES, python: str = "3.11") -> WheelSource:
    """Return the plan's view of a wheel."""
    name, version = wheel.name.split("-")[:2]
    content = wheel.read_bytes()
    locked = LockedWheel(
        name=name.lower().replace("_", "-"),
        version=version,
        filename=wheel.name,
        size=len(content),
        digest=Digest.of(content),
    )
    return WheelSource(wheel=locked, prefix=prefix, python=python, interpreter=f"/usr/bin/python{python}")


def tar_of(store: BlobStore, layer: Layer) -> bytes:
    """Return a layer's tar, unpacked by the standard library."""
    return gzip.decompress(store.read(layer.descriptor.digest))


def tree_of(store: BlobStore, layer: Layer) -> dict[str, tuple[str, int, bytes | str]]:
    """Return what the standard library reads in a layer: type, mode and content or target by path."""
    tree: dict[str, tuple[str, int, bytes | str]] = {}
    with tarfile.open(fileobj=io.BytesIO(tar_of(store, layer))) as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isreg() else None
            kind = entry.type.decode()
            tree[entry.name] = (kind, entry.mode, file.read() if file else entry.linkname)
    return tree
