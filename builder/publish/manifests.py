"""Manifests in a registry (distribution-spec § "Pull", "Push"): read, and written so that what is there is ours."""

from __future__ import annotations

from dataclasses import dataclass

from builder.errors import RegistryError
from builder.oci.digest import Digest
from builder.oci.media_type import MediaType
from builder.publish.body import Body
from builder.publish.tokens import repository_scope
from builder.publish.transport import Transport

MANIFEST_LIMIT = 4 << 20
"""Bytes; what the specification asks registries to accept."""
ACCEPTED = ", ".join(kind for kind in MediaType if kind.is_index or kind.is_manifest)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredManifest:
    """A manifest's exact bytes as a registry serves them; ``media_type`` is the registry's word."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """The digest of the bytes, not what the registry says it is."""
        return Digest.of(self.content)


def manifest_path(repository: str, name: Digest | str) -> str:
    """Return the path of a manifest by digest or tag."""
    return f"/v2/{repository}/manifests/{name}"


def read_manifest(
    transport: Transport, repository: str, name: Digest | str, *, scopes: tuple[str, ...] | None = None
) -> StoredManifest | None:
    """Return a manifest by digest or tag, None when there is none. Bytes under a digest are checked against it."""
    path = manifest_path(repository, name)
    answer = transport.request(
        "GET",
        path,
        scopes=scopes or (repository_scope(repository, "pull"),),
        accept=(200, 404),
        headers={"Accept": ACCEPTED},
        limit=MANIFEST_LIMIT,
    )
    if answer.status == 404:
        return None
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    manifest = StoredManifest(content=answer.body, media_type=media_type)
    if isinstance(name, Digest) and manifest.digest != name:
        raise RegistryError.of(
            "registry serves other bytes under this digest",
            at=f"{transport.registry}{path}",
            want=str(name),
            got=str(manifest.digest),
        )
    return manifest


def write_manifest(
    transport: Transport,
    repository: str,
    name: Digest | str,
    content: bytes,
    media_type: MediaType,
    *,
    scopes: tuple[str, ...],
) -> None:
    """Store a manifest under a tag or its digest, then read it back: other bytes are a RegistryError."""
    path = manifest_path(repository, name)
    ours = Digest.of(content)
    answer = transport.request(
        "PUT", path, scopes=scopes, accept=(200, 201, 202), body=Body.of(content, str(media_type))
    )
    said = answer.headers.get("Docker-Content-Digest")
    stored = read_manifest(transport, repository, name, scopes=scopes)
    got = str(stored.digest) if stored else "nothing"
    if got != str(ours) or (said is not None and said != str(ours)):
        raise RegistryError.of(
            "registry stores other bytes than were sent to it",
            at=f"{transport.registry}{path}",
            want=str(ours),
            got=got if got != str(ours) else said,
            hint="the registry, or a proxy before it, rewrites manifests; nothing should be deployed from this tag",
        )
