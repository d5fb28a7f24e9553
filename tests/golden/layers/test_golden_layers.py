"""Layers against committed digests: bytes move only with ASSEMBLY_VERSION.

The wheel beside this file is committed as it is, so that its deflate streams do not depend on any zlib. After a
change that is meant: move ASSEMBLY_VERSION, UPDATE_GOLDEN=1 pytest tests/golden/layers, and read the difference.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.assemble.layer import Compression, write_layer
from builder.assemble.wheel import wheel_entries
from builder.oci.entry import Entry, EntryKind, InlineContent
from builder.oci.image import Layer
from builder.plan.model import ASSEMBLY_VERSION
from builder.store.blobs import BlobStore
from tests.support.wheels import source_of, tar_of

HERE = Path(__file__).parent
WHEEL = HERE / "golden_demo-1.0-py3-none-any.whl"


def of_a_wheel(store: BlobStore) -> Layer:
    return write_layer(wheel_entries(source_of(WHEEL), WHEEL), store, title="wheel")


def of_files() -> list[Entry]:
    noise = random.Random(2000).randbytes(150_000)
    return [
        Entry.file("opt/model/code/score.py", InlineContent(b"def predict(model, records):\n    return []\n")),
        Entry.file("opt/model/model/noise.bin", InlineContent(noise)),
        Entry.file("opt/model/model/zeros.bin", InlineContent(bytes(3_000_000))),
        Entry.file("usr/bin/tool", InlineContent(b"#!/bin/sh\n"), mode=0o755),
        Entry.symlink("bin", "usr/bin"),
        Entry.directory("tmp", mode=0o1777),
        Entry(path="var/own", kind=EntryKind.DIRECTORY, mode=0o750, uid=10001, gid=3_000_000),
        Entry(path="usr/bin/tool2", kind=EntryKind.HARDLINK, mode=0o755, link="usr/bin/tool"),
    ]


LAYERS: dict[str, Callable[[BlobStore], Layer]] = {
    "wheel": of_a_wheel,
    "files": lambda store: write_layer(of_files(), store, title="files"),
    "weights": lambda store: write_layer(of_files(), store, title="weights", compression=Compression.STORE),
}


def table(tar: bytes) -> list[str]:
    """Return one line for each entry, with everything that is in its header and the digest of its content."""
    lines = []
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isreg() else None
            digest = hashlib.sha256(file.read()).hexdigest()[:12] if file else entry.linkname or "-"
            owner = f"{entry.uid}:{entry.gid}"
            lines.append(
                f"{entry.type.decode()} {entry.mode:04o} {owner} {entry.mtime} {entry.size} {digest} {entry.name}"
            )
    return lines


@pytest.mark.parametrize("name", LAYERS)
def test_layer_bytes_are_those_of_this_assembly_version(name: str, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    layer = LAYERS[name](store)
    got: dict[str, Any] = {
        "assembly_version": ASSEMBLY_VERSION,
        "entries": table(tar_of(store, layer)),
        "diff_id": str(layer.diff_id),
        "blob": str(layer.descriptor.digest),
        "size": layer.descriptor.size,
    }
    golden = HERE / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(got, indent=1, ensure_ascii=False) + "\n")
    want = json.loads(golden.read_text())
    assert got["entries"] == want["entries"]
    assert got == want, "entries are the same: look at header fields tarfile does not show, or at the framing"
