from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat, MediaType
from builder.store.blobs import BlobStore
from tests.support.synthetic import synthetic_image


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return synthetic_image(BlobStore(tmp_path))


def test_the_image_id_is_the_digest_of_the_configuration(image: Image) -> None:
    assert image.image_id == Digest.of(image.config.encode()) == image.config_descriptor.digest
    assert image.config_descriptor.size == len(image.config.encode())


def test_the_image_id_does_not_depend_on_compression_or_dialect(image: Image) -> None:
    layers = tuple(
        replace(layer, descriptor=replace(layer.descriptor, media_type=MediaType.OCI_LAYER_TAR, digest=layer.diff_id))
        for layer in image.layers
    )
    assert Image(config=image.config, layers=layers).image_id == image.image_id
    assert len({image.manifest(kind).config.digest for kind in ManifestFormat}) == 1
    assert len({image.manifest(kind).descriptor.digest for kind in ManifestFormat}) == 2


def test_a_configuration_must_name_exactly_the_layers(image: Image) -> None:
    for layers in (image.layers[:1], image.layers[::-1], ()):
        with pytest.raises(ValueError, match="exactly its layers"):
            Image(config=image.config, layers=layers)


def test_a_layer_is_shown_with_what_it_holds(image: Image) -> None:
    shown = image.layers[0].to_dict()
    assert shown["holds"] == "one.bin"
    assert set(shown) == {"digest", "diff_id", "size", "media_type", "holds"}
