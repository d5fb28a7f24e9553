from __future__ import annotations

import json
from typing import Any

import pytest

from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.manifest import ImageIndex, ImageManifest
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.platform import Platform

CONFIG = Descriptor(media_type=MediaType.OCI_CONFIG, digest=Digest.of(b"config"), size=6)
LAYERS = tuple(
    Descriptor(media_type=kind, digest=Digest.of(kind.encode()), size=len(kind), annotations={"title": "x"})
    for kind in (MediaType.OCI_LAYER_GZIP, MediaType.OCI_LAYER_TAR)
)


@pytest.mark.parametrize("manifest_format", list(ManifestFormat))
def test_a_manifest_reads_back(manifest_format: ManifestFormat) -> None:
    manifest = ImageManifest.of(manifest_format, config=CONFIG, layers=LAYERS, annotations={"a": "b"})
    assert ImageManifest.decode(manifest.encode()) == manifest
    assert manifest.descriptor == Descriptor(
        media_type=manifest.media_type, digest=Digest.of(manifest.encode()), size=len(manifest.encode())
    )


def test_dockers_dialect_has_only_dockers_types_and_no_annotations() -> None:
    content = ImageManifest.of(ManifestFormat.DOCKER, config=CONFIG, layers=LAYERS, annotations={"a": "b"}).encode()
    assert b"oci" not in content
    assert b"annotations" not in content


def test_both_dialects_name_the_same_blobs() -> None:
    docker, oci = (ImageManifest.of(kind, config=CONFIG, layers=LAYERS) for kind in ManifestFormat)
    assert docker.config.digest == oci.config.digest
    assert [layer.digest for layer in docker.layers] == [layer.digest for layer in oci.layers]


def test_an_index_reads_back_with_its_platforms() -> None:
    entry = Descriptor(
        media_type=MediaType.OCI_MANIFEST, digest=Digest.of(b"m"), size=1, platform=Platform("linux", "arm64")
    )
    index = ImageIndex(manifests=(entry,), annotations={"a": "b"})
    assert ImageIndex.decode(index.encode()) == index
    assert json.loads(index.encode())["schemaVersion"] == 2


GOOD: dict[str, Any] = {"config": CONFIG.to_dict(), "layers": []}


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        "1",
        "null",
        "{}",
        "{",
        {"config": {}, "layers": []},
        {**GOOD, "layers": None},
        {**GOOD, "layers": [{"mediaType": "text/plain", "digest": "sha256:" + "0" * 64, "size": 1}]},
        {**GOOD, "layers": [{**CONFIG.to_dict(), "size": -1}]},
        {**GOOD, "layers": [{**CONFIG.to_dict(), "size": "6"}]},
        {**GOOD, "layers": [{**CONFIG.to_dict(), "size": True}]},
        {**GOOD, "layers": [{**CONFIG.to_dict(), "digest": "sha256:0"}]},
        {**GOOD, "layers": [{**CONFIG.to_dict(), "digest": None}]},
    ],
)
def test_malformed_documents_are_value_errors(document: Any) -> None:
    content = (document if isinstance(document, str) else json.dumps(document)).encode()
    with pytest.raises(ValueError):
        ImageManifest.decode(content)
    as_index = content.replace(b'"layers"', b'"manifests"')
    if b"manifests" in as_index and b"null" not in as_index and b'"manifests": []' not in as_index:
        with pytest.raises(ValueError):
            ImageIndex.decode(as_index)
