"""An image from anywhere, opened for reading: its configuration as it is, and its layers as files on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from builder.engine.saved import Slice, Tree, apply_layer, archive_faults, inflated
from builder.errors import DigestMismatchError, StoreError
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.plan.model import Purpose
from builder.store.blobs import BlobStore


@dataclass(kw_only=True)
class OpenedLayer:
    """One layer: what it is said to hold, the digest it should have uncompressed, and its bytes as they are stored.

    ``digest`` is that of the stored bytes; None where an engine keeps none.
    """

    title: str
    diff_id: Digest
    digest: Digest | None
    stored: Slice
    aside: Path

    @property
    def size(self) -> int:
        """Bytes as they are stored."""
        return self.stored.size

    @cached_property
    def tar(self) -> Slice:
        """The layer's tar, uncompressed once; a DigestMismatchError when it is not what the image names."""
        with archive_faults(self.title):
            tar = inflated(self.stored, self.aside)
        hasher = hashlib.sha256()
        for chunk in tar.chunks():
            hasher.update(chunk)
        if hasher.hexdigest() != self.diff_id.hex:
            raise DigestMismatchError.of(
                f"a layer does not hold what the image names: {self.title}",
                want=str(self.diff_id),
                got=f"sha256:{hasher.hexdigest()}",
                hint="do not trust this image",
            )
        return tar

    def check(self) -> None:
        """Read the stored bytes and raise a DigestMismatchError when they are not what the manifest names."""
        if self.digest is None:
            _ = self.tar
            return
        hasher = hashlib.sha256()
        for chunk in self.stored.chunks():
            hasher.update(chunk)
        if hasher.hexdigest() != self.digest.hex:
            raise DigestMismatchError.of(
                f"a layer is damaged: {self.title}", want=str(self.digest), got=f"sha256:{hasher.hexdigest()}"
            )


@dataclass(kw_only=True)
class OpenedImage:
    """An image, its layers from the bottom up. ``name`` is how a person asked for it."""

    name: str
    configuration: bytes
    layers: tuple[OpenedLayer, ...]
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image_id(self) -> Digest:
        """The digest of the configuration."""
        return Digest.of(self.configuration)

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration as JSON."""
        config: Mapping[str, Any] = json.loads(self.configuration)
        return config

    @property
    def platform(self) -> Platform:
        """What it is for."""
        config = self.config
        return Platform.parse(f"{config['os']}/{config['architecture']}")

    @cached_property
    def tree(self) -> Tree:
        """The final file system."""
        tree: Tree = {}
        for layer in self.layers:
            with archive_faults(f"{self.name}: {layer.title}"):
                apply_layer(tree, layer.tar)
        return tree

    def tree_of(self, *purposes: Purpose) -> Tree:
        """Return the file system that the layers made for these purposes, by the history's word, have alone."""
        tree: Tree = {}
        for layer in self.layers:
            if layer.title.startswith(tuple(f"{purpose}: " for purpose in purposes)):
                with archive_faults(f"{self.name}: {layer.title}"):
                    apply_layer(tree, layer.tar)
        return tree


def text_in(tree: Tree, path: str) -> str | None:
    """Return a file's text, or None when there is no such file."""
    entry = tree.get(path)
    if entry is None or entry.content is None:
        return None
    return b"".join(entry.content.chunks()).decode("utf-8", "replace")


def open_parts(
    name: str,
    configuration: bytes,
    stored: Sequence[tuple[Digest | None, Slice]],
    scratch: Path,
) -> OpenedImage:
    """Put an image together from its configuration and the layers it names; what does not fit is a StoreError."""
    try:
        config = json.loads(configuration)
        diff_ids = [Digest.parse(text) for text in config["rootfs"]["diff_ids"]]
        platform = f"{config['os']}/{config['architecture']}"
        titles = [
            str(line.get("created_by", ""))
            for line in config.get("history") or ()
            if isinstance(line, dict) and not line.get("empty_layer")
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError.of(f"an image's configuration cannot be read: {error!r}", at=name) from error
    if len(diff_ids) != len(stored):
        raise StoreError.of(
            "an image's configuration does not name its layers",
            at=name,
            want=f"{len(diff_ids)} layers",
            got=f"{len(stored)} layers",
        )
    if len(titles) != len(diff_ids):
        titles = ["" for _ in diff_ids]
    _ = platform
    return OpenedImage(
        name=name,
        configuration=configuration,
        layers=tuple(
            OpenedLayer(
                title=title or f"layer {number}",
                diff_id=diff_id,
                digest=digest,
                stored=part,
                aside=scratch / f"{number}-{diff_id.hex}.tar",
            )
            for number, (title, diff_id, (digest, part)) in enumerate(zip(titles, diff_ids, stored, strict=True), 1)
        ),
    )


def open_linked(name: str, image: Image, store: BlobStore, scratch: Path) -> OpenedImage:
    """Open an image whose blobs are in a store."""
    stored = [(layer.descriptor.digest, Slice.of(store.path(layer.descriptor.digest))) for layer in image.layers]
    return open_parts(name, image.config.encode(), stored, scratch)
