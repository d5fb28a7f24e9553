from __future__ import annotations

from dataclasses import replace

import pytest

from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.platform import Platform

LAYER = Descriptor(
    media_type=MediaType.OCI_LAYER_GZIP,
    digest=Digest.of(b"x"),
    size=1,
    annotations={"b": "2", "a": "1"},
    platform=Platform("linux", "amd64"),
)


@pytest.mark.parametrize("descriptor", [LAYER, replace(LAYER, annotations={}, platform=None)])
def test_reads_back_what_it_writes(descriptor: Descriptor) -> None:
    assert Descriptor.from_dict(descriptor.to_dict()) == descriptor


def test_annotations_are_sorted() -> None:
    assert list(LAYER.to_dict()["annotations"]) == ["a", "b"]


def test_another_dialect_changes_the_type_and_drops_annotations() -> None:
    docker = LAYER.converted(ManifestFormat.DOCKER)
    assert docker == replace(LAYER, media_type=MediaType.DOCKER_LAYER_GZIP, annotations={})


@pytest.mark.parametrize("size", [-1, "1", 1.0, None, True])
def test_a_size_is_a_number_of_bytes(size: object) -> None:
    with pytest.raises(ValueError, match="not a size"):
        Descriptor.from_dict({**LAYER.to_dict(), "size": size})


@pytest.mark.parametrize("missing", ["mediaType", "digest", "size"])
def test_nothing_may_be_missing(missing: str) -> None:
    data = LAYER.to_dict()
    del data[missing]
    with pytest.raises(KeyError, match=missing):
        Descriptor.from_dict(data)
