"""Media types of manifests, configurations and layers (image-spec, media-types.md; Docker schema 2)."""

from __future__ import annotations

from enum import StrEnum


class ManifestFormat(StrEnum):
    """The two dialects of an image manifest. The image ID is the same in both."""

    DOCKER = "docker"
    OCI = "oci"


class MediaType(StrEnum):
    """Every media type that is written or understood."""

    OCI_INDEX = "application/vnd.oci.image.index.v1+json"
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
    OCI_LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
    DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
    DOCKER_LAYER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
    DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"

    @property
    def is_index(self) -> bool:
        """True for a list of manifests, one for each platform."""
        return self in (MediaType.OCI_INDEX, MediaType.DOCKER_MANIFEST_LIST)

    @property
    def is_manifest(self) -> bool:
        """True for the manifest of a single image."""
        return self in (MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST)

    def converted(self, manifest_format: ManifestFormat) -> MediaType:
        """Return the same thing in the other dialect; a type without a twin is returned as it is."""
        table = _TO_DOCKER if manifest_format is ManifestFormat.DOCKER else _TO_OCI
        return table.get(self, self)


_TO_DOCKER = {
    MediaType.OCI_INDEX: MediaType.DOCKER_MANIFEST_LIST,
    MediaType.OCI_MANIFEST: MediaType.DOCKER_MANIFEST,
    MediaType.OCI_CONFIG: MediaType.DOCKER_CONFIG,
    MediaType.OCI_LAYER_TAR: MediaType.DOCKER_LAYER_TAR,
    MediaType.OCI_LAYER_GZIP: MediaType.DOCKER_LAYER_GZIP,
    MediaType.OCI_LAYER_ZSTD: MediaType.DOCKER_LAYER_ZSTD,
}
_TO_OCI = {docker: oci for oci, docker in _TO_DOCKER.items()}
