"""Small images to compare, made without a store's help."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.compare.opened import OpenedImage, open_parts
from builder.engine.saved import Slice
from builder.oci.digest import Digest


def tar_of(files: Mapping[str, bytes], **fields: Any) -> bytes:
    """Return a tar of these files in this order; ``fields`` are set in every header."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(content), 946_684_800
            for name, value in fields.items():
                setattr(info, name, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def image_of(folder: Path, layers: Sequence[tuple[str, bytes]], *, name: str = "image", **config: Any) -> OpenedImage:
    """Write layers (what they hold, their tar) as gzip blobs below ``folder`` and open them as an image."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = []
    for number, (_, tar) in enumerate(layers):
        blob = folder / f"blob-{number}"
        blob.write_bytes(gzip.compress(tar, mtime=0))
        stored.append((Digest.of(blob.read_bytes()), Slice.of(blob)))
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for _, tar in layers]},
        "history": [{"created_by": title} for title, _ in layers],
    }
    return open_parts(name, json.dumps(document, sort_keys=True).encode(), stored, folder)
