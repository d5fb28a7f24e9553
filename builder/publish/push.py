"""An image into a registry: exactly the bytes that were built, under tags that never move by accident.

Blobs go first, then the manifest under ``<version>-<12 hex of the image ID>``, and only when that is known to be stored
as it was sent, under ``<version>``. A push that is interrupted or refused leaves the version tag as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Event, Lock
from typing import Any

from builder.errors import Fault, PublishRefusedError, RegistryError, StoreError, UsageError
from builder.host.trace import span
from builder.oci.digest import Digest
from builder.oci.image import Image, index_of
from builder.oci.manifest import ImageManifest
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.publish.faults import TransientRegistryError
from builder.publish.known import KnownBlobs
from builder.publish.manifests import read_manifest, write_manifest
from builder.publish.parallel import run_all
from builder.publish.tokens import repository_scope
from builder.publish.transport import Access, Transport
from builder.publish.upload import BlobUpload, Outcome, Payload
from builder.store.blobs import BlobStore
from builder.store.records import Records

MOST_MOUNT_ATTEMPTS = 3
RECORDS = "registry-blobs"


@dataclass(frozen=True, kw_only=True, slots=True)
class PushedBlob:
    """What became of one blob; ``mounted_from`` is a repository, ``seconds`` the time it took."""

    digest: Digest
    size: int
    title: str
    outcome: Outcome
    seconds: float
    mounted_from: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``kiln push --json``."""
        return {
            "digest": str(self.digest),
            "size": self.size,
            "holds": self.title,
            "outcome": str(self.outcome),
            "mounted_from": self.mounted_from,
            "seconds": round(self.seconds, 4),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class PushResult:
    """What a registry holds now. ``reference`` has the version tag and the digest of the manifest or index."""

    reference: Reference
    tags: tuple[str, ...]
    image_ids: tuple[Digest, ...]
    manifest_format: ManifestFormat
    blobs: tuple[PushedBlob, ...]
    was_there: bool
    """True when everything was in the registry already, under these tags, and nothing was sent."""
    seconds: float

    @property
    def manifest_digest(self) -> Digest:
        """The digest that names the image, or the index of images, in the registry."""
        assert self.reference.digest is not None  # noqa: S101 - made so below
        return self.reference.digest

    def size(self, outcome: Outcome) -> int:
        """Return how many bytes of blobs had this outcome."""
        return sum(blob.size for blob in self.blobs if blob.outcome is outcome)

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``kiln push --json``."""
        return {
            "reference": str(self.reference),
            "manifest_digest": str(self.manifest_digest),
            "image_ids": [str(digest) for digest in self.image_ids],
            "tags": list(self.tags),
            "format": str(self.manifest_format),
            "was_there": self.was_there,
            "blobs": [blob.to_dict() for blob in self.blobs],
            "bytes": {str(outcome): self.size(outcome) for outcome in Outcome},
            "seconds": round(self.seconds, 4),
        }


def image_tag(version: str, image_id: Digest) -> str:
    """Return the tag that names one image and never has to move."""
    return f"{version}-{image_id.short}"


def push_image(
    image: Image,
    store: BlobStore,
    reference: Reference,
    *,
    manifest_format: ManifestFormat = ManifestFormat.DOCKER,
    mount_from: Sequence[str] = (),
    jobs: int = 4,
    move_tag: bool = False,
    access: Access | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> PushResult:
    """Push one image to ``registry/repository:version`` and return what the registry holds then.

    ``mount_from`` names repositories of the same registry that may hold some of its blobs, beside those remembered from
    earlier pushes. The same content under the tag already is no fault and costs two requests; other content is a
    PublishRefusedError before anything is sent, unless ``move_tag``. Bytes that arrive or are served changed, and
    outages that outlast the patience, are RegistryErrors; refused credentials a RegistryAuthError.
    """
    return _push(
        (image,),
        store,
        reference,
        is_index=False,
        manifest_format=manifest_format,
        mount_from=mount_from,
        jobs=jobs,
        move_tag=move_tag,
        access=access,
        progress=progress,
    )


def push_index(
    images: Sequence[Image],
    store: BlobStore,
    reference: Reference,
    *,
    manifest_format: ManifestFormat = ManifestFormat.DOCKER,
    mount_from: Sequence[str] = (),
    jobs: int = 4,
    move_tag: bool = False,
    access: Access | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> PushResult:
    """Push images of several platforms, each under its own tag, and an index of them under the version tag.

    Promises what ``push_image`` does. Two images for one platform are a UsageError.
    """
    return _push(
        tuple(images),
        store,
        reference,
        is_index=True,
        manifest_format=manifest_format,
        mount_from=mount_from,
        jobs=jobs,
        move_tag=move_tag,
        access=access,
        progress=progress,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Document:
    """A manifest or index and the tag it gets."""

    tag: str
    content: bytes
    media_type: MediaType

    @property
    def digest(self) -> Digest:
        return Digest.of(self.content)


def _push(
    images: tuple[Image, ...],
    store: BlobStore,
    reference: Reference,
    *,
    is_index: bool,
    manifest_format: ManifestFormat,
    mount_from: Sequence[str],
    jobs: int,
    move_tag: bool,
    access: Access | None,
    progress: Callable[[str], None],
) -> PushResult:
    registry, version = _check(images, reference)
    access = access or Access()
    access = replace(access, patience=replace(access.patience, abandoned=Event()))
    clock = access.patience.clock
    started = clock.monotonic()
    documents = _documents(images, version, manifest_format, is_index=is_index)
    payloads = _payloads(images, store)
    with Transport(registry, access, connections=jobs) as transport:
        scopes = (repository_scope(reference.repository, "pull", "push"),)
        is_there = [_stands(transport, reference, document, scopes, move_tag=move_tag) for document in documents]
        if all(is_there):
            blobs = tuple(_pushed(payload, Outcome.PRESENT, 0.0) for payload in payloads)
        else:
            known = KnownBlobs(Records(store.root, RECORDS), registry)
            sender = _Sender(
                transport, reference.repository, store=store, known=known, mount_from=mount_from, progress=progress
            )
            blobs = sender.send(payloads, jobs)
            for document in documents:
                # Someone else may have pushed this version meanwhile; the nearer to writing the smaller the chance.
                if not _stands(transport, reference, document, scopes, move_tag=move_tag):
                    write_manifest(
                        transport,
                        reference.repository,
                        document.tag,
                        document.content,
                        document.media_type,
                        scopes=scopes,
                    )
    return PushResult(
        reference=reference.with_digest(documents[-1].digest),
        tags=tuple(dict.fromkeys(document.tag for document in reversed(documents))),
        image_ids=tuple(image.image_id for image in images),
        manifest_format=manifest_format,
        blobs=blobs,
        was_there=all(is_there),
        seconds=clock.monotonic() - started,
    )


def _check(images: tuple[Image, ...], reference: Reference) -> tuple[str, str]:
    if reference.registry is None or reference.tag is None:
        raise UsageError.of(
            "an image is pushed to a registry, under a version",
            want="<registry>/<repository>:<version>",
            got=str(reference),
        )
    platforms: set[Platform] = {image.config.platform for image in images}
    if not images or len(platforms) != len(images):
        raise UsageError.of(
            "an index holds one image for each platform",
            at=str(reference),
            got=", ".join(str(image.config.platform) for image in images) or "no image",
        )
    try:
        for image in images:
            reference.with_tag(image_tag(reference.tag, image.image_id))
    except ValueError as error:
        raise UsageError.of(f"version is too long for a tag: {error}", at=str(reference)) from error
    return reference.registry, reference.tag


def _documents(
    images: tuple[Image, ...], version: str, manifest_format: ManifestFormat, *, is_index: bool
) -> tuple[_Document, ...]:
    """Return what is to be written, in order; the last one takes the version tag."""
    documents: list[_Document] = []
    for image in images:
        manifest = image.manifest(manifest_format)
        documents.append(
            _Document(tag=image_tag(version, image.image_id), content=manifest.encode(), media_type=manifest.media_type)
        )
    if not is_index:
        return (*documents, replace(documents[0], tag=version))
    index = index_of(images, manifest_format)
    return (*documents, _Document(tag=version, content=index.encode(), media_type=index.media_type))


def _payloads(images: tuple[Image, ...], store: BlobStore) -> tuple[Payload, ...]:
    """Return every blob once, the largest first; a layer the store lost is a StoreError."""
    payloads: dict[Digest, Payload] = {}
    missing: list[Fault] = []
    for image in images:
        config = image.config.encode()
        payloads[image.config_descriptor.digest] = Payload(
            descriptor=image.config_descriptor, title="configuration", chunks=_inline(config)
        )
        for layer in image.layers:
            digest = layer.descriptor.digest
            if not store.has(digest):
                missing.append(Fault(fact=f"layer is not in the store: {layer.title}", at=str(store.path(digest))))
            payloads.setdefault(
                digest, Payload(descriptor=layer.descriptor, title=layer.title, chunks=_stored(store, digest))
            )
    if missing:
        raise StoreError(dict.fromkeys(missing), hint="build the image again, then push")
    return tuple(sorted(payloads.values(), key=lambda payload: -payload.descriptor.size))


def _inline(content: bytes) -> Callable[[int], Iterator[bytes]]:
    return lambda offset: iter((content[offset:],))


def _stored(store: BlobStore, digest: Digest) -> Callable[[int], Iterator[bytes]]:
    return lambda offset: store.chunks(digest, offset=offset)


def _pushed(payload: Payload, outcome: Outcome, seconds: float, mounted_from: str | None = None) -> PushedBlob:
    return PushedBlob(
        digest=payload.descriptor.digest,
        size=payload.descriptor.size,
        title=payload.title,
        outcome=outcome,
        seconds=seconds,
        mounted_from=mounted_from,
    )


def _stands(
    transport: Transport, reference: Reference, document: _Document, scopes: tuple[str, ...], *, move_tag: bool
) -> bool:
    """Tell whether a tag names this content already. Other content is refused unless tags may move."""
    stored = read_manifest(transport, reference.repository, document.tag, scopes=scopes)
    if stored is None:
        return False
    if stored.digest == document.digest:
        return True
    if move_tag:
        return False
    try:
        theirs, ours = ImageManifest.decode(stored.content), ImageManifest.decode(document.content)
        is_same_image = theirs.config.digest == ours.config.digest
    except ValueError:
        is_same_image = False
    fact = "already names this image with another manifest" if is_same_image else "already names other content"
    raise PublishRefusedError.of(
        f"tag {document.tag} {fact}",
        at=str(reference.with_tag(document.tag)),
        want=str(document.digest),
        got=str(stored.digest),
        hint=(
            "push in the format it was pushed in, or say --move-tag to replace it"
            if is_same_image
            else "give the bundle a new version; or say --move-tag to make the tag name this image instead"
        ),
    )


class _Sender:
    """Sends blobs in parallel; the first failure stops the others."""

    def __init__(
        self,
        transport: Transport,
        repository: str,
        *,
        store: BlobStore,
        known: KnownBlobs,
        mount_from: Sequence[str],
        progress: Callable[[str], None],
    ) -> None:
        self._transport = transport
        self._repository = repository
        self._store = store
        self._known = known
        self._mount_from = mount_from
        self._progress = progress
        self._guard = Lock()
        self._sent = 0
        self._done = 0
        self._total = 0

    def send(self, payloads: tuple[Payload, ...], jobs: int) -> tuple[PushedBlob, ...]:
        self._total = len(payloads)
        tasks = [partial(self._one, payload) for payload in payloads]
        return run_all(tasks, jobs=jobs, abandoned=self._transport.patience.abandoned)

    def _one(self, payload: Payload) -> PushedBlob:
        clock = self._transport.patience.clock
        started = clock.monotonic()
        digest = payload.descriptor.digest
        upload = BlobUpload(self._transport, self._repository, payload, on_bytes=self._count)
        sources = dict.fromkeys([*self._known.repositories(digest), *self._mount_from])
        sources.pop(self._repository, None)
        try:
            with span(payload.title, "blob", size=payload.descriptor.size):
                outcome, mounted_from = upload.run(list(sources)[:MOST_MOUNT_ATTEMPTS])
        except TransientRegistryError:
            raise
        except RegistryError:
            if self._store.has(digest) and not self._store.verify(digest):
                raise StoreError.of(
                    f"blob in the store is damaged, and was removed: {payload.title}",
                    at=str(self._store.path(digest)),
                    hint="build the image again, then push",
                ) from None
            raise
        self._known.remember(digest, self._repository)
        with self._guard:
            self._done += 1
        self._count(0)
        return _pushed(payload, outcome, clock.monotonic() - started, mounted_from)

    def _count(self, sent: int) -> None:
        self._transport.patience.check()
        with self._guard:
            self._sent += sent
            text = f"{self._done} of {self._total} blobs in place, {self._sent / 1e6:.1f} MB sent"
        self._progress(text)
