from __future__ import annotations

import pytest

from builder.oci.media_type import ManifestFormat, MediaType


@pytest.mark.parametrize("kind", list(MediaType))
def test_every_type_has_a_twin_in_each_dialect_and_comes_back(kind: MediaType) -> None:
    docker, oci = kind.converted(ManifestFormat.DOCKER), kind.converted(ManifestFormat.OCI)
    assert ".docker." in docker
    assert ".oci." in oci
    assert docker.converted(ManifestFormat.OCI) is oci
    assert oci.converted(ManifestFormat.DOCKER) is docker
    assert kind in (docker, oci)


def test_indexes_and_manifests_are_told_apart() -> None:
    assert [kind for kind in MediaType if kind.is_index] == [MediaType.OCI_INDEX, MediaType.DOCKER_MANIFEST_LIST]
    assert [kind for kind in MediaType if kind.is_manifest] == [MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST]
