"""Reading a built image back from its layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from builder.errors import DigestMismatchError, Fault, StoreError
from builder.oci.config import ImageConfig
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.manifest import ImageIndex, ImageManifest
from builder.oci.media_type import MediaType
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

_ATTEMPTS = 5
_MOST_ATTEMPTS = 200
Read = TypeVar("Read")


def read_layout(layout: Path, platform: Platform) -> Image:
    """Return the image of one platform in a layout this tool wrote.

    Configuration and manifest are verified; layers are verified wherever they are read. A layout that is missing,
    damaged or holds no image for the platform is a StoreError.
    """
    try:
        if image := read_steadily(layout, lambda: _find(layout, platform)):
            return image
    except OSError as error:
        raise StoreError.of("no built image here", at=str(layout), hint="run `kiln build` first") from error
    except ValueError as error:
        raise StoreError.of(f"damaged image layout: {error}", at=str(layout), hint="run `kiln build` again") from error
    raise StoreError.of(
        f"no image for {platform} in the layout", at=str(layout), hint=f"run `kiln build --platform {platform}`"
    )


def read_steadily(layout: Path, read: Callable[[], Read]) -> Read:
    """Return what ``read`` reads from a layout; it is asked once more when files went away, since builds replace it.

    A layout is replaced as a whole, so what is read the next time is of one build. What is not there at all is the
    FileNotFoundError of the last attempt: after a few, or of many, while the layout is another one each time.
    """
    for attempt in range(_MOST_ATTEMPTS):
        before = _identity(layout)
        try:
            return read()
        except FileNotFoundError:
            if attempt >= _ATTEMPTS - 1 and _identity(layout) == before:
                raise
    return read()


def _identity(layout: Path) -> tuple[int, int] | None:
    try:
        status = layout.stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def restore_image(image: Image, layout: Path, store: BlobStore) -> None:
    """Take blobs the store lost back from the layout; one that is whole in neither is a StoreError.

    So a bundle that was built elsewhere, or whose store was cleared, can still be run and published.
    """
    faults = []
    for layer in image.layers:
        digest = layer.descriptor.digest
        if store.has(digest):
            continue
        try:
            store.add_file(layout / "blobs" / "sha256" / digest.hex, expected=digest, what=layer.title)
        except (DigestMismatchError, StoreError) as error:
            faults.append(Fault(fact=f"layer is lost: {layer.title}", want=str(digest), got=error.faults[0].fact))
    if faults:
        raise StoreError(faults, hint="run `kiln build` again")
    store.add(image.config.encode())


def _find(layout: Path, platform: Platform) -> Image | None:
    index = ImageIndex.decode((layout / "index.json").read_bytes())
    for entry in index.manifests:
        if entry.platform == platform and entry.media_type is MediaType.OCI_MANIFEST:
            return _image(layout, entry.digest)
    return None


def _image(layout: Path, digest: Digest) -> Image:
    manifest = ImageManifest.decode(_blob(layout, digest))
    config = ImageConfig.decode(_blob(layout, manifest.config.digest))
    titles = [line.created_by for line in config.history if not line.empty_layer]
    return Image(
        config=config,
        layers=tuple(
            Layer(descriptor=descriptor, diff_id=diff_id, title=title.partition(": ")[2] or title)
            for descriptor, diff_id, title in zip(manifest.layers, config.diff_ids, titles, strict=True)
        ),
    )


def _blob(layout: Path, digest: Digest) -> bytes:
    content = (layout / "blobs" / "sha256" / digest.hex).read_bytes()
    if Digest.of(content) != digest:
        msg = f"blob {digest} has other bytes"
        raise ValueError(msg)
    return content
