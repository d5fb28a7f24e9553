"""What wheels weigh once they are unpacked; read from the archive's directory, nothing is unpacked."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

from builder.bundle.inventory import Memory
from builder.errors import KilnError
from builder.host.zip_errors import ZIP_ERRORS
from builder.oci.digest import Digest


def unpacked_size(wheel: Path, digest: Digest, memory: Memory | None = None) -> int | None:
    """Return the bytes of all files of a wheel, or None when it cannot be read. It is remembered by digest."""
    key = ["unpacked-size", digest.hex]
    known = memory.get(key) if memory else None
    if isinstance(known, int):
        return known
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except ZIP_ERRORS:
        return None
    if memory:
        with contextlib.suppress(OSError, KilnError):  # not remembered, so read again next time
            memory.put(key, size)
    return size


def show_size(size: int) -> str:
    """Return a size as people read it: ``12.3 MB``."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"
