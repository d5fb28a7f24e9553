"""Manifests, indexes and configurations that others wrote, read with care and only as far as they are needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from builder.errors import BaseImageError
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.media_type import MediaType
from builder.oci.platform import Platform

_LAYERS = (
    MediaType.OCI_LAYER_TAR,
    MediaType.OCI_LAYER_GZIP,
    MediaType.OCI_LAYER_ZSTD,
    MediaType.DOCKER_LAYER_TAR,
    MediaType.DOCKER_LAYER_GZIP,
    MediaType.DOCKER_LAYER_ZSTD,
)
_CONFIGS = (MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG)
_ATTESTATION = "unknown/unknown"
MOST_LAYERS = 127


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignManifest:
    """A manifest of a single image."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignConfig:
    """What a base image's configuration says, as far as an image built on it takes it over."""

    platform: Platform
    diff_ids: tuple[Digest, ...]
    env: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def read_document(content: bytes, at: str) -> dict[str, Any]:
    """Return a manifest or index as a JSON object; anything else, and Docker's schema 1, is a BaseImageError."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BaseImageError.of("base image's manifest is not JSON", at=at) from error
    if not isinstance(document, dict):
        raise BaseImageError.of("base image's manifest is not a JSON object", at=at)
    if document.get("schemaVersion") != 2:
        raise BaseImageError.of(
            "base image has a manifest of a schema that is no longer in use",
            at=at,
            want="schemaVersion 2",
            got=f"schemaVersion {document.get('schemaVersion')!r}",
            hint="choose a base that was pushed by a current tool",
        )
    return document


def is_index(document: Mapping[str, Any]) -> bool:
    """True for a list of manifests."""
    kind = document.get("mediaType")
    if kind in (MediaType.OCI_INDEX, MediaType.DOCKER_MANIFEST_LIST):
        return True
    return kind is None and "manifests" in document and "layers" not in document


def choose(document: Mapping[str, Any], platform: Platform, at: str) -> Digest:
    """Return the manifest an index names for a platform; none is a BaseImageError that lists what there is."""
    there: list[str] = []
    with _reading(at):
        for entry in document["manifests"]:
            declared = entry.get("platform") or {}
            name = f"{declared.get('os', 'unknown')}/{declared.get('architecture', 'unknown')}"
            variant = declared.get("variant")
            if name == str(platform) and variant in (None, "", "v8"):
                return Digest.parse(entry["digest"])
            if name != _ATTESTATION:
                there.append(f"{name}/{variant}" if variant else name)
    raise BaseImageError.of(
        f"base image is not made for {platform}", at=at, want=str(platform), got=", ".join(there) or "no platform"
    )


def read_manifest(document: Mapping[str, Any], at: str) -> ForeignManifest:
    """Return the manifest of an image. Other media types than layers and configurations are BaseImageErrors."""
    with _reading(at):
        config = _descriptor(document["config"], _CONFIGS, at)
        layers = tuple(_descriptor(layer, _LAYERS, at) for layer in document["layers"])
    if len(layers) > MOST_LAYERS:
        raise BaseImageError.of(
            "base image has more layers than engines run", at=at, want=f"at most {MOST_LAYERS}", got=str(len(layers))
        )
    return ForeignManifest(config=config, layers=layers)


def read_config(content: bytes, at: str) -> ForeignConfig:
    """Return what matters of a configuration; anything malformed is a BaseImageError."""
    with _reading(at):
        data = json.loads(content)
        run = data.get("config") or {}
        pairs = (str(line).partition("=") for line in run.get("Env") or ())
        return ForeignConfig(
            platform=Platform.parse(f"{data['os']}/{data['architecture']}"),
            diff_ids=tuple(Digest.parse(digest) for digest in data["rootfs"]["diff_ids"]),
            env=tuple((name, value) for name, _, value in pairs),
            entrypoint=tuple(run.get("Entrypoint") or ()),
            cmd=tuple(run.get("Cmd") or ()),
            user=str(run.get("User") or ""),
            working_dir=str(run.get("WorkingDir") or ""),
            labels=tuple(sorted((str(key), str(value)) for key, value in (run.get("Labels") or {}).items())),
        )


def _descriptor(data: Mapping[str, Any], accepted: tuple[MediaType, ...], at: str) -> Descriptor:
    kind = data.get("mediaType")
    if "foreign" in str(kind) or "nondistributable" in str(kind):
        raise BaseImageError.of(
            "base image has a layer that may not be distributed",
            at=at,
            got=str(kind),
            hint="choose a base whose layers are all in its registry",
        )
    if kind not in accepted:
        raise BaseImageError.of(
            "base image holds something that is not a layer or configuration of an image",
            at=at,
            want=" or ".join(accepted),
            got=str(kind),
        )
    size = data["size"]
    if not isinstance(size, int) or size < 0:
        msg = f"size is {size!r}"
        raise ValueError(msg)
    return Descriptor(media_type=MediaType(kind), digest=Digest.parse(data["digest"]), size=size)


@contextmanager
def _reading(at: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise BaseImageError.of(f"base image's manifest or configuration is malformed: {said}", at=at) from error
