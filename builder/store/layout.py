"""An OCI image layout on disk (image-spec, image-layout.md), complete and readable by other tools."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from builder.host.exchange import put_in_place
from builder.oci.descriptor import Descriptor
from builder.oci.image import Image, index_of
from builder.oci.manifest import ImageIndex
from builder.oci.media_type import ManifestFormat
from builder.store.blobs import BlobStore, outer_faults

_REF_NAME = "org.opencontainers.image.ref.name"
_DIALECTS = ((ManifestFormat.OCI, ""), (ManifestFormat.DOCKER, "-docker"))


def write_layout(store: BlobStore, images: Sequence[Image], destination: Path, *, tag: str) -> None:
    """Write a layout that holds these images; there is never a moment with half of it, or without one that was there.

    Each image is there under ``tag`` (several platforms: ``tag-<architecture>``) with its OCI manifest, and under
    that name plus ``-docker`` with its Docker manifest; both name the same configuration and layers. Of several
    platforms an index is there under ``tag`` and ``tag-docker``. Blobs are hard links into the store where possible.
    """
    with outer_faults("write the image layout", destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}-"))
    try:
        entries: list[Descriptor] = []
        for image in images:
            name = tag if len(images) == 1 else f"{tag}-{image.config.platform.architecture}"
            store.add(image.config.encode())
            blobs = [image.config_descriptor.digest, *(layer.descriptor.digest for layer in image.layers)]
            for manifest_format, suffix in _DIALECTS:
                manifest = image.manifest(manifest_format)
                blobs.append(store.add(manifest.encode()))
                entries.append(
                    Descriptor(
                        media_type=manifest.media_type,
                        digest=manifest.descriptor.digest,
                        size=manifest.descriptor.size,
                        annotations={_REF_NAME: f"{name}{suffix}"},
                        platform=image.config.platform,
                    )
                )
            for digest in blobs:
                store.export(digest, aside / "blobs" / "sha256" / digest.hex)
        for manifest_format, suffix in _DIALECTS if len(images) > 1 else ():
            index = index_of(images, manifest_format)
            digest = store.add(index.encode())
            store.export(digest, aside / "blobs" / "sha256" / digest.hex)
            entries.append(replace(index.descriptor, annotations={_REF_NAME: f"{tag}{suffix}"}))
        with outer_faults("write the image layout", destination):
            aside.chmod(0o755)
            (aside / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
            (aside / "index.json").write_bytes(ImageIndex(manifests=tuple(entries)).encode())
            put_in_place(aside, destination)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
