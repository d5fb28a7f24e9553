"""A base image out of a registry, by digest, every byte checked (distribution-spec § "Pull")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Event, Lock

from urllib3.exceptions import HTTPError

from builder.errors import BaseImageError, DigestMismatchError, UsageError
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.publish import foreign
from builder.publish.faults import TransientRegistryError, outage, redacted
from builder.publish.foreign import ForeignConfig, ForeignManifest
from builder.publish.manifests import read_manifest
from builder.publish.parallel import run_all
from builder.publish.tokens import repository_scope
from builder.publish.transport import Access, Transport
from builder.publish.uncompressed import DiffIdReader
from builder.store.blobs import BlobStore, BlobWriter

CONFIG_LIMIT = 16 << 20
_PIECE = 1 << 16
"""Bytes read at a time; a piece that is cut off has to be fetched again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What a name stands for on one platform, right now."""

    reference: Reference
    """The name pinned to ``digest``, without its tag."""
    digest: Digest
    """Of the index, or of the manifest when the image is for one platform only."""
    manifest_digest: Digest
    manifest: bytes
    index: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PulledImage:
    """An image whose manifest, configuration and layers are all in the store."""

    reference: Reference
    manifest_digest: Digest
    config_digest: Digest
    config: ForeignConfig
    layers: tuple[Layer, ...]
    fetched: int
    """Bytes that had to be fetched; 0 when the store had everything."""


def resolve(reference: Reference, platform: Platform, *, access: Access | None = None) -> Resolved:
    """Ask the registry what a name stands for. A name it does not know is a BaseImageError."""
    with Transport(_registry(reference), access, connections=1) as transport:
        return _resolve(transport, reference, platform)


def pull_image(
    reference: Reference,
    platform: Platform,
    store: BlobStore,
    *,
    jobs: int = 4,
    access: Access | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> PulledImage:
    """Bring an image pinned by digest into the store and return it.

    What the store has is not fetched, and with all of it there no connection is made. A digest the registry does not
    know, a platform or kind of layer that is not there or not accepted are BaseImageErrors; bytes that are not what the
    digests say are DigestMismatchErrors; lost connections are taken up where they broke.
    """
    if reference.digest is None:
        raise UsageError.of("a base image is pulled by digest", want="<name>@sha256:…", got=str(reference))
    at = str(reference)
    if (there := find_image(reference, platform, store)) is not None:
        return there
    access = access or Access()
    access = replace(access, patience=replace(access.patience, abandoned=Event()))
    with Transport(_registry(reference), access, connections=jobs) as transport:
        resolved = _resolve(transport, reference, platform)
        if resolved.index is not None:
            store.add(resolved.index)
        store.add(resolved.manifest)
        fetched = _Fetch(transport, reference, store, progress).run(resolved, platform, jobs)
    image = find_image(reference, platform, store)
    if image is None:
        raise BaseImageError.of("base image vanished from the store", at=at, hint="run the command again")
    return replace(image, fetched=fetched)


def find_image(reference: Reference, platform: Platform, store: BlobStore) -> PulledImage | None:
    """Return an image pinned by digest from the store alone; None when any part of it is missing."""
    if reference.digest is None or not store.has(reference.digest):
        return None
    at = str(reference)
    digest = reference.digest
    document = foreign.read_document(store.read(digest), at)
    if foreign.is_index(document):
        digest = foreign.choose(document, platform, at)
        if not store.has(digest):
            return None
        document = foreign.read_document(store.read(digest), at)
    manifest = foreign.read_manifest(document, at)
    if not all(store.has(descriptor.digest) for descriptor in (manifest.config, *manifest.layers)):
        return None
    config = _fitting_config(store, manifest, platform, at)
    layers = tuple(
        Layer(descriptor=descriptor, diff_id=diff_id, title=f"{reference.name}, layer {number}")
        for number, (descriptor, diff_id) in enumerate(zip(manifest.layers, config.diff_ids, strict=True), 1)
    )
    return PulledImage(
        reference=reference,
        manifest_digest=digest,
        config_digest=manifest.config.digest,
        config=config,
        layers=layers,
        fetched=0,
    )


def _fitting_config(store: BlobStore, manifest: ForeignManifest, platform: Platform, at: str) -> ForeignConfig:
    """Return the configuration when it is for the platform and names as many layers as the manifest."""
    config = foreign.read_config(store.read(manifest.config.digest), at)
    if config.platform != platform:
        raise BaseImageError.of(
            f"base image is not made for {platform}", at=at, want=str(platform), got=str(config.platform)
        )
    if len(config.diff_ids) != len(manifest.layers):
        raise BaseImageError.of(
            "base image's configuration does not fit its manifest",
            at=at,
            want=f"{len(manifest.layers)} layers",
            got=f"{len(config.diff_ids)} diff_ids",
        )
    return config


def _registry(reference: Reference) -> str:
    if reference.registry is None:
        raise UsageError.of(
            "the name of an image must say its registry", want="<registry>/<repository>", got=str(reference)
        )
    return reference.registry


def _resolve(transport: Transport, reference: Reference, platform: Platform) -> Resolved:
    at = str(reference)
    top = read_manifest(transport, reference.repository, reference.digest or reference.tag or "latest")
    if top is None:
        if reference.digest is not None:
            raise BaseImageError.of(
                "base digest unknown to its registry",
                at=at,
                hint="it was deleted, or is of another repository; name one that is there and run: kiln lock",
            )
        raise BaseImageError.of("base image unknown to its registry", at=at, hint="check its repository and tag")
    pinned = Reference(registry=reference.registry, repository=reference.repository, digest=top.digest)
    document = foreign.read_document(top.content, at)
    if not foreign.is_index(document):
        return Resolved(
            reference=pinned, digest=top.digest, manifest_digest=top.digest, manifest=top.content, index=None
        )
    digest = foreign.choose(document, platform, at)
    manifest = read_manifest(transport, reference.repository, digest)
    if manifest is None:
        raise BaseImageError.of(
            f"base image's index names a manifest for {platform} that its registry does not have",
            at=at,
            got=str(digest),
        )
    return Resolved(
        reference=pinned,
        digest=top.digest,
        manifest_digest=digest,
        manifest=manifest.content,
        index=top.content,
    )


class _Fetch:
    """Brings blobs into the store."""

    def __init__(
        self, transport: Transport, reference: Reference, store: BlobStore, progress: Callable[[str], None]
    ) -> None:
        self._transport = transport
        self._reference = reference
        self._store = store
        self._progress = progress
        self._guard = Lock()
        self._received = 0
        self._total = 0

    def run(self, resolved: Resolved, platform: Platform, jobs: int) -> int:
        """Fetch what the store lacks, the configuration first; return how many bytes that were."""
        at = str(self._reference)
        manifest = foreign.read_manifest(foreign.read_document(resolved.manifest, at), at)
        self._total = manifest.config.size
        if self._total > CONFIG_LIMIT:
            raise BaseImageError.of("base image's configuration is too large", at=at, got=f"{self._total} bytes")
        if not self._store.has(manifest.config.digest):
            self._blob(manifest.config, None)
        config = _fitting_config(self._store, manifest, platform, at)
        lacking = {
            layer.digest: (layer, diff_id)
            for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
            if not self._store.has(layer.digest)
        }
        self._total += sum(layer.size for layer, _ in lacking.values())
        run_all(
            [partial(self._blob, layer, diff_id) for layer, diff_id in lacking.values()],
            jobs=jobs,
            abandoned=self._transport.patience.abandoned,
        )
        return self._received

    def _blob(self, blob: Descriptor, diff_id: Digest | None) -> None:
        what = f"blob {blob.digest.short} of {self._reference.name}"
        reader = DiffIdReader(blob.media_type, blob.size) if diff_id is not None else None
        with self._store.writer(expected=blob.digest, what=what) as writer:
            failures = 0
            while writer.size < blob.size:
                before = writer.size
                try:
                    self._receive(blob, writer, reader)
                except TransientRegistryError as error:
                    failures = 1 if writer.size > before else failures + 1
                    if failures >= self._transport.patience.attempts:
                        raise
                    self._transport.patience.wait(failures, error.retry_after)
            if reader is not None and writer.digest == blob.digest:
                self._check_diff_id(reader, diff_id, what)

    def _receive(self, blob: Descriptor, writer: BlobWriter, reader: DiffIdReader | None) -> None:
        """Read on from where the blob ends so far."""
        offset = writer.size
        path = f"/v2/{self._reference.repository}/blobs/{blob.digest}"
        with self._transport.open(
            "GET",
            path,
            scopes=(repository_scope(self._reference.repository, "pull"),),
            accept=(200, 206) if offset else (200,),
            headers={"Range": f"bytes={offset}-"} if offset else {},
            is_streamed=True,
        ) as (answer, response):
            # A registry that knows no ranges sends everything again.
            skip = offset if answer.status == 200 else 0
            if answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise outage("GET", answer.url, "registry sends another range than was asked for")
            try:
                for piece in response.stream(_PIECE, decode_content=False):
                    chunk, skip = piece[skip:], max(0, skip - len(piece))
                    if writer.size + len(chunk) > blob.size:
                        raise DigestMismatchError.of(
                            "blob is longer than its manifest says", at=redacted(answer.url), want=f"{blob.size} bytes"
                        )
                    writer.write(chunk)
                    if reader is not None:
                        reader.write(chunk)
                    self._count(len(chunk))
            except HTTPError as error:
                raise outage("GET", answer.url, f"connection to the registry lost after {writer.size} bytes") from error
            if writer.size < blob.size:
                raise outage("GET", answer.url, f"registry sent {writer.size} of {blob.size} bytes")

    def _check_diff_id(self, reader: DiffIdReader, diff_id: Digest | None, what: str) -> None:
        try:
            got = reader.diff_id()
        except ValueError as error:
            raise BaseImageError.of(
                f"base image has a layer that cannot be unpacked: {error}", at=str(self._reference), got=what
            ) from error
        if got is not None and got != diff_id:
            raise BaseImageError.of(
                f"{what} does not hold what the image's configuration says",
                at=str(self._reference),
                want=f"diff_id {diff_id}",
                got=f"diff_id {got}",
            )

    def _count(self, received: int) -> None:
        self._transport.patience.check()
        with self._guard:
            self._received += received
            text = f"{self._received / 1e6:.1f} of {self._total / 1e6:.1f} MB"
        self._progress(text)
