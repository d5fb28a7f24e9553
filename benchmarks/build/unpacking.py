"""What Docker takes to load an image of which it lacks some layers of one small file each.

    tools/engine run .venv/bin/python -m benchmarks.build.unpacking examples/churn

The bundle has been built with ``kiln build --load``, so that all other layers are there.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import os
import statistics
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from builder.engine.archive import image_archive
from builder.engine.plain import PlainApi, open_plain
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.platform import Platform
from builder.store.images import read_layout

ROUNDS = 7


class Made:
    """Layers of one file of random content, kept in memory. None of the others is asked for."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        yield self._blobs[digest]

    def layer(self, like: Layer) -> Layer:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            info = tarfile.TarInfo(f"opt/{os.urandom(4).hex()}")
            info.size = 100
            archive.addfile(info, io.BytesIO(os.urandom(100)))
        packed = gzip.compress(file.getvalue())
        descriptor = dataclasses.replace(like.descriptor, digest=Digest.of(packed), size=len(packed))
        self._blobs[descriptor.digest] = packed
        return dataclasses.replace(like, descriptor=descriptor, diff_id=Digest.of(file.getvalue()))


def time_load(api: PlainApi, image: Image, count: int) -> float:
    """Return the seconds to load the image with so many layers more, which is a new one each time."""
    made = Made()
    more = tuple(made.layer(image.layers[-1]) for _ in range(count))
    layers = (*image.layers, *more)
    config = dataclasses.replace(
        image.config,
        author=os.urandom(4).hex(),
        diff_ids=tuple(layer.diff_id for layer in layers),
        history=(*image.config.history, *image.config.history[-1:] * count),
    )
    larger = Image(config=config, layers=layers)
    started = time.perf_counter()
    api.load_image(image_archive(larger, made, present=len(image.layers)))
    spent = time.perf_counter() - started
    assert api.inspect_image(str(larger.image_id)), "the engine did not take it"
    return spent


def main() -> None:
    image = read_layout(Path(sys.argv[1]) / "build/layout", Platform.host())
    api = open_plain()
    if api is None:
        sys.exit("no engine answers; run this under tools/engine run")
    with api:
        for count in range(5):
            spent = [time_load(api, image, count) for _ in range(ROUNDS)]
            print(f"{count} layers: {statistics.median(spent) * 1e3:.0f} ms ({min(spent) * 1e3:.0f} at the least)")


if __name__ == "__main__":
    main()
