"""Bringing an image into an engine: only what it lacks is sent, and what it holds then is checked to be the image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from builder.engine.archive import image_archive
from builder.errors import DigestMismatchError, EngineError
from builder.host.trace import span
from builder.oci.digest import Digest
from builder.oci.image import BlobSource, Image
from builder.oci.media_type import ManifestFormat

_LITTLE = 1 << 20
"""Bytes that are sent sooner than it takes to look for an image that has them."""


class ImageApi(Protocol):
    """What an engine can be asked about images; a refusal is an EngineError."""

    def inspect_image(self, name: str) -> dict[str, Any] | None:
        """Return what it says of an image, None when it has none of this name or ID."""

    def image_ids(self) -> set[str]:
        """Return the IDs of all its images."""

    def load_image(self, chunks: Iterable[bytes]) -> Iterable[dict[str, Any]]:
        """Send an archive; return what the engine said of it, line by line."""

    def tag(self, image_id: str, repository: str, tag: str | None) -> None:
        """Give an image a name; the name moves if another image had it."""


def _nothing(_: str) -> None:
    pass


class ImageLoader:
    """Loads images into one engine. ``version`` and ``info`` are what the engine says of itself."""

    def __init__(self, api: ImageApi, version: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._api = api
        components = [str(part.get("Name", "")) for part in version.get("Components") or ()]
        self.is_podman = any("podman" in name.lower() for name in components)
        self._version = str(version.get("Version", "unknown version"))
        status = info.get("DriverStatus") or ()
        self.keeps_manifests = any("io.containerd.snapshotter" in str(value) for pair in status for value in pair)
        """True when image IDs are digests of manifests: Docker with containerd's image store, as from 29 on."""

    @property
    def name(self) -> str:
        """``docker`` or ``podman``, with its version."""
        return f"{'podman' if self.is_podman else 'docker'} {self._version}"

    def load(
        self,
        image: Image,
        blobs: BlobSource,
        *,
        tags: Sequence[str] = (),
        like: Sequence[str] = (),
        progress: Callable[[str], None] = _nothing,
    ) -> str:
        """Bring an image in and return the ID the engine has it under, which is checked to be the image's own.

        Layers the engine has are not sent again; ``like`` names images that probably have most of them. An engine
        that holds the image under any other ID is a DigestMismatchError; one that refuses it is an EngineError.
        """
        held = self.find(image)
        if held is None:
            present = 0 if self.keeps_manifests else self._present_layers(image, like)
            if present:
                progress(f"{present} of {len(image.layers)} layers are there already")
            output = self._send(image, blobs, present, progress)
            held = self.find(image)
            if held is None and present:
                output = self._send(image, blobs, 0, progress)
                held = self.find(image)
            if held is None:
                raise DigestMismatchError.of(
                    "the engine holds the image under another ID",
                    at=self.name,
                    want=str(image.image_id),
                    got=output[-1] if output else "no image",
                )
        for tag in tags:
            self.tag(held, tag)
        return held

    def find(self, image: Image) -> str | None:
        """Return the ID the engine has exactly this image under, or None when it has it not."""
        wanted = [image.image_id]
        if self.keeps_manifests:
            wanted = [image.manifest(dialect).descriptor.digest for dialect in ManifestFormat]
        for digest in wanted:
            found = self._api.inspect_image(str(digest))
            if found is not None and layers_of(found) == [str(diff_id) for diff_id in image.config.diff_ids]:
                return with_algorithm(str(found["Id"]))
        return None

    def tag(self, image_id: str, name: str) -> None:
        """Give an image a name; the name moves if another image had it."""
        repository, colon, tag = name.rpartition(":")
        self._api.tag(image_id, repository if colon else name, tag if colon else None)

    def _present_layers(self, image: Image, like: Sequence[str]) -> int:
        """Count the lowest layers that some image of the engine has, in the same order: those need not be sent."""
        longest = max((self._common(image, name) for name in like), default=0)
        if sum(layer.descriptor.size for layer in image.layers[longest:]) <= _LITTLE:
            return longest
        with span("look for layers", "engine"):
            return max([longest, *(self._common(image, image_id) for image_id in self._api.image_ids())])

    def _common(self, image: Image, name: str) -> int:
        wanted = [str(diff_id) for diff_id in image.config.diff_ids]
        found = self._api.inspect_image(name)
        held = layers_of(found) if found else []
        return next(
            (place for place, pair in enumerate(zip(wanted, held, strict=False)) if pair[0] != pair[1]),
            min(len(wanted), len(held)),
        )

    def _send(self, image: Image, blobs: BlobSource, present: int, progress: Callable[[str], None]) -> list[str]:
        """Load and return the engine's words. A refusal of a partial archive is no error yet: all is sent next."""
        total = sum(layer.descriptor.size for layer in image.layers[present:])
        lines: list[str] = []
        try:
            with span("load", "engine", bytes=total):
                archive = _counted(image_archive(image, blobs, present=present), total, progress)
                for event in self._api.load_image(archive):
                    if "error" in event:
                        raise EngineError.of("the engine refused the image", at=self.name, got=str(event["error"]))
                    if text := str(event.get("stream", "")).strip():
                        lines.append(text)
        except EngineError:
            if not present:
                raise
        return lines


def layers_of(found: Mapping[str, Any]) -> list[str]:
    """Return the diff_ids of an image as an engine describes it."""
    return [str(diff_id) for diff_id in (found.get("RootFS") or {}).get("Layers") or ()]


def with_algorithm(text: str) -> str:
    """Return an image ID in full; Podman leaves the algorithm out."""
    return text if ":" in text else str(Digest(text))


def _counted(chunks: Iterator[bytes], total: int, progress: Callable[[str], None]) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        progress(f"{sent / 1e6:.0f} of {total / 1e6:.0f} MB sent to the engine")
        yield chunk
