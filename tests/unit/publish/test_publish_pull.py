from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from builder.errors import BaseImageError, DigestMismatchError, RegistryError, UsageError
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.manifest import ImageIndex
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.publish.pull import find_image, pull_image, resolve
from builder.publish.push import push_image, push_index
from builder.publish.transport import Access
from builder.store.blobs import BlobStore
from tests.support.registry import FakeRegistry
from tests.support.synthetic import AMD64, ARM64, image_of, layer_of, noise, synthetic_image

REPOSITORY = "bases/python"


@pytest.fixture
def theirs(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore(tmp_path_factory.mktemp("theirs"))


def put(registry: FakeRegistry, document: dict[str, Any] | bytes, kind: str = MediaType.OCI_MANIFEST) -> Reference:
    """Put a manifest into the registry as it is and return its name by digest."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    digest = Digest.of(content)
    registry.manifests.setdefault(REPOSITORY, {})[str(digest)] = (content, kind)
    return Reference(registry=registry.host, repository=REPOSITORY, digest=digest)


def put_blob(
    registry: FakeRegistry, content: bytes, media_type: str, *, digest: Digest | None = None
) -> dict[str, Any]:
    digest = digest or Digest.of(content)
    registry.blobs.setdefault(REPOSITORY, {})[str(digest)] = content
    return {"mediaType": media_type, "digest": str(digest), "size": len(content)}


def put_image(registry: FakeRegistry, blob: bytes = b"tar", **config: Any) -> dict[str, Any]:
    """Put blobs into the registry; return a manifest, to be spoilt and put."""
    content = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Env": ["PATH=/bin", "EMPTY=", "A=b=c"], "Labels": None},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(blob))]},
        **config,
    }
    return {
        "schemaVersion": 2,
        "config": put_blob(registry, json.dumps(content).encode(), MediaType.OCI_CONFIG),
        "layers": [put_blob(registry, blob, MediaType.OCI_LAYER_TAR)],
    }


def pushed(registry: FakeRegistry, theirs: BlobStore, access: Access, image: Image) -> Reference:
    name = Reference(registry=registry.host, repository=REPOSITORY, tag="3.11")
    return push_image(image, theirs, name, manifest_format=ManifestFormat.OCI, access=access).reference


@pytest.mark.parametrize("manifest_format", list(ManifestFormat))
def test_pulls_back_what_was_pushed(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access, manifest_format: ManifestFormat
) -> None:
    image = synthetic_image(theirs, "a", "b")
    name = Reference(registry=registry.host, repository=REPOSITORY, tag="3.11")
    result = push_image(image, theirs, name, manifest_format=manifest_format, access=access)
    pulled = pull_image(result.reference, AMD64, store, access=access)
    assert pulled.manifest_digest == result.manifest_digest
    assert pulled.config_digest == image.image_id
    assert [layer.diff_id for layer in pulled.layers] == list(image.config.diff_ids)
    assert pulled.config.env == image.config.env
    assert pulled.config.entrypoint == image.config.entrypoint
    assert pulled.config.user == "10001:0"
    assert pulled.fetched == sum(blob.size for blob in result.blobs)
    for layer, original in zip(pulled.layers, image.layers, strict=True):
        assert layer.descriptor == original.descriptor.converted(manifest_format)
        assert store.read(layer.descriptor.digest) == theirs.read(original.descriptor.digest)


def test_chooses_the_platform_from_an_index(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    images = [synthetic_image(theirs, "a"), synthetic_image(theirs, "b", platform=ARM64)]
    name = Reference(registry=registry.host, repository=REPOSITORY, tag="3.11")
    result = push_index(images, theirs, name, access=access)
    pulled = pull_image(result.reference, ARM64, store, access=access)
    assert pulled.config_digest == images[1].image_id
    assert pulled.manifest_digest != result.manifest_digest
    assert not store.has(images[0].layers[0].descriptor.digest)


def test_resolve_pins_a_tag(registry: FakeRegistry, theirs: BlobStore, access: Access) -> None:
    reference = pushed(registry, theirs, access, synthetic_image(theirs))
    found = resolve(Reference.parse(f"{registry.host}/{REPOSITORY}:3.11"), AMD64, access=access)
    assert found.reference == replace(reference, tag=None)
    assert found.digest == found.manifest_digest == reference.digest


def test_resolve_pins_an_index_and_chooses_from_it(registry: FakeRegistry, theirs: BlobStore, access: Access) -> None:
    images = [synthetic_image(theirs, "a"), synthetic_image(theirs, "b", platform=ARM64)]
    name = Reference(registry=registry.host, repository=REPOSITORY, tag="3.11")
    result = push_index(images, theirs, name, access=access)
    found = resolve(name, ARM64, access=access)
    assert found.digest == result.manifest_digest
    assert found.manifest_digest == images[1].manifest(ManifestFormat.DOCKER).descriptor.digest
    assert found.index is not None
    assert len(ImageIndex.decode(found.index).manifests) == 2


def test_an_unknown_tag_is_an_error(registry: FakeRegistry, access: Access) -> None:
    with pytest.raises(BaseImageError, match="base image unknown"):
        resolve(Reference.parse(f"{registry.host}/{REPOSITORY}:none"), AMD64, access=access)


def test_an_unknown_digest_is_an_error_with_a_remedy(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    reference = Reference(registry=registry.host, repository=REPOSITORY, digest=Digest.of(b"none"))
    with pytest.raises(BaseImageError, match="base digest unknown") as caught:
        pull_image(reference, AMD64, store, access=access)
    assert str(reference) in caught.value.render()
    assert "kiln lock" in (caught.value.hint or "")


def test_what_is_in_the_store_needs_no_registry(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    reference = pushed(registry, theirs, access, synthetic_image(theirs))
    first = pull_image(reference, AMD64, store, access=access)
    registry.calls.clear()
    second = pull_image(reference, AMD64, store, access=access)
    assert not registry.calls
    assert second == replace(first, fetched=0)
    assert find_image(reference, AMD64, BlobStore(store.root / "empty")) is None


def test_only_missing_layers_are_fetched(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(theirs, "a", "b")
    reference = pushed(registry, theirs, access, image)
    store.add(theirs.read(image.layers[0].descriptor.digest))
    pull_image(reference, AMD64, store, access=access)
    assert not registry.made("GET", str(image.layers[0].descriptor.digest))


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_that_was_cut_off_goes_on(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access, *, knows_ranges: bool
) -> None:
    image = synthetic_image(theirs, "a", size=200_000)
    reference = pushed(registry, theirs, access, image)
    registry.knows_ranges = knows_ranges
    digest = str(image.layers[0].descriptor.digest)
    registry.fail("GET", digest, cut=70_000)
    registry.fail("GET", digest, times=2, status=503)
    pulled = pull_image(reference, AMD64, store, access=access, jobs=1)
    assert store.has(pulled.layers[0].descriptor.digest)
    assert registry.made("GET", digest)[-1].headers["range"] == "bytes=70000-"


def test_a_download_that_never_gets_on_is_an_error_and_nothing_is_kept(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(theirs, "a")
    reference = pushed(registry, theirs, access, image)
    registry.fail("GET", str(image.layers[0].descriptor.digest), times=99, cut=0)
    with pytest.raises(RegistryError, match="connection to the registry"):
        pull_image(reference, AMD64, store, access=access)
    assert not store.has(image.layers[0].descriptor.digest)
    assert not list((store.root / "aside").iterdir())


def test_a_range_that_was_not_asked_for_is_not_used(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(theirs, "a", size=200_000)
    reference = pushed(registry, theirs, access, image)
    digest = str(image.layers[0].descriptor.digest)
    registry.fail("GET", digest, cut=70_000)
    registry.fail("GET", digest, status=206, headers={"Content-Range": "bytes 0-9/200000"}, body=b"0123456789")
    pull_image(reference, AMD64, store, access=access)
    assert store.has(image.layers[0].descriptor.digest)


def test_other_bytes_under_a_blobs_digest_are_refused(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(theirs, "a")
    reference = pushed(registry, theirs, access, image)
    digest = image.layers[0].descriptor.digest
    registry.fail("GET", str(digest), replace=lambda content: content[:-1] + b"?")
    with pytest.raises(DigestMismatchError) as caught:
        pull_image(reference, AMD64, store, access=access)
    assert caught.value.faults[0].want == str(digest)
    assert not store.has(digest)


def test_more_bytes_than_promised_are_not_taken(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(theirs, "a")
    reference = pushed(registry, theirs, access, image)
    registry.fail("GET", str(image.layers[0].descriptor.digest), replace=lambda content: content + b"?")
    with pytest.raises(DigestMismatchError, match="longer"):
        pull_image(reference, AMD64, store, access=access)


def test_other_bytes_under_a_manifests_digest_are_refused(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    reference = pushed(registry, theirs, access, synthetic_image(theirs))
    registry.fail("GET", "manifests", replace=lambda content: content + b"\n")
    with pytest.raises(RegistryError, match="other bytes under this digest"):
        pull_image(reference, AMD64, store, access=access)


def test_a_layer_that_is_not_what_the_configuration_says_is_refused(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    manifest = put_image(registry, b"tar", rootfs={"diff_ids": [str(Digest.of(b"other"))]})
    with pytest.raises(BaseImageError, match="does not hold what the image's configuration says"):
        pull_image(put(registry, manifest), AMD64, store, access=access)
    assert not store.has(Digest.of(b"tar"))


def test_a_layer_that_is_not_gzip_is_refused(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    manifest = put_image(registry, b"tar")
    manifest["layers"][0]["mediaType"] = MediaType.OCI_LAYER_GZIP
    with pytest.raises(BaseImageError, match="cannot be unpacked: not gzip"):
        pull_image(put(registry, manifest), AMD64, store, access=access)


@pytest.mark.parametrize(
    ("media_type", "pack"),
    [
        (MediaType.OCI_LAYER_TAR, lambda tar: tar),
        (MediaType.OCI_LAYER_GZIP, lambda tar: gzip.compress(tar[:5], 0, mtime=0) + gzip.compress(tar[5:], mtime=0)),
        (MediaType.DOCKER_LAYER_GZIP, gzip.compress),
        (MediaType.DOCKER_LAYER_TAR, lambda tar: tar),
        (MediaType.OCI_LAYER_ZSTD, lambda tar: b"\x28\xb5\x2f\xfd" + tar),
    ],
)
def test_takes_every_kind_of_layer_as_it_is(
    registry: FakeRegistry, store: BlobStore, access: Access, media_type: str, pack: Callable[[bytes], bytes]
) -> None:
    manifest = put_image(registry, noise("tar", 10_000))
    manifest["layers"] = [put_blob(registry, pack(noise("tar", 10_000)), media_type)]
    pulled = pull_image(put(registry, manifest), AMD64, store, access=access)
    assert pulled.layers[0].descriptor.media_type == media_type
    assert store.read(pulled.layers[0].descriptor.digest) == pack(noise("tar", 10_000))


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_layers_that_may_not_be_distributed_are_refused(
    registry: FakeRegistry, store: BlobStore, access: Access, kind: str
) -> None:
    manifest = put_image(registry)
    manifest["layers"][0]["mediaType"] = kind
    with pytest.raises(BaseImageError, match="may not be distributed"):
        pull_image(put(registry, manifest), AMD64, store, access=access)


def spoil(manifest: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**manifest, **changes}


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"schemaVersion": 1}, "no longer in use"),
        ({"config": {"mediaType": "application/vnd.example+json"}}, "not a layer or configuration"),
        ({"layers": None}, "malformed"),
        ({"layers": [{"mediaType": MediaType.OCI_LAYER_TAR, "digest": "md5:1", "size": 1}]}, "not a sha256 digest"),
        (
            {"layers": [{"mediaType": MediaType.OCI_LAYER_TAR, "digest": f"sha256:{'0' * 64}", "size": -1}]},
            "size is -1",
        ),
        ({"layers": []}, "configuration does not fit"),
    ],
)
def test_malformed_manifests_are_refused(
    registry: FakeRegistry, store: BlobStore, access: Access, changes: dict[str, Any], fact: str
) -> None:
    with pytest.raises(BaseImageError, match=fact):
        pull_image(put(registry, spoil(put_image(registry), **changes)), AMD64, store, access=access)


@pytest.mark.parametrize("content", [b"<html>", b"[]"])
def test_what_is_not_a_manifest_is_refused(
    registry: FakeRegistry, store: BlobStore, access: Access, content: bytes
) -> None:
    with pytest.raises(BaseImageError, match="is not"):
        pull_image(put(registry, content), AMD64, store, access=access)


def test_too_many_layers_are_refused(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    manifest = put_image(registry)
    with pytest.raises(BaseImageError, match="more layers than engines run"):
        pull_image(put(registry, spoil(manifest, layers=manifest["layers"] * 128)), AMD64, store, access=access)


def test_a_huge_configuration_is_refused(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    manifest = put_image(registry)
    manifest["config"]["size"] = 1 << 40
    with pytest.raises(BaseImageError, match="too large"):
        pull_image(put(registry, manifest), AMD64, store, access=access)


@pytest.mark.parametrize("architecture", ["arm64", "riscv64"])
def test_an_image_for_another_platform_is_refused(
    registry: FakeRegistry, store: BlobStore, access: Access, architecture: str
) -> None:
    manifest = put_image(registry, architecture=architecture)
    with pytest.raises(BaseImageError, match=r"not made for linux/amd64|not a supported platform"):
        pull_image(put(registry, manifest), AMD64, store, access=access)
    assert not store.has(Digest.of(b"tar")), "layers are fetched only when they can be used"


def index_of(*platforms: dict[str, Any] | None, digest: Digest) -> dict[str, Any]:
    entries = [
        {"mediaType": MediaType.OCI_MANIFEST, "digest": str(digest), "size": 1, "platform": p} for p in platforms
    ]
    return {"schemaVersion": 2, "manifests": entries}


def test_an_index_without_the_platform_lists_what_it_has(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    reference = put(
        registry,
        index_of(
            {"os": "linux", "architecture": "arm", "variant": "v7"},
            {"os": "windows", "architecture": "amd64"},
            {"os": "unknown", "architecture": "unknown"},
            digest=Digest.of(b"x"),
        ),
        MediaType.OCI_INDEX,
    )
    with pytest.raises(BaseImageError, match="not made for linux/arm64") as caught:
        pull_image(reference, ARM64, store, access=access)
    assert caught.value.faults[0].got == "linux/arm/v7, windows/amd64"


@pytest.mark.parametrize(("variant", "platform"), [({"variant": "v8"}, ARM64), ({}, ARM64), ({"variant": ""}, AMD64)])
def test_an_index_may_name_variants(
    registry: FakeRegistry, store: BlobStore, access: Access, variant: dict[str, str], platform: Platform
) -> None:
    manifest = put(registry, put_image(registry, architecture=platform.architecture))
    assert manifest.digest is not None
    declared = {"os": "linux", "architecture": platform.architecture, **variant}
    reference = put(registry, index_of(declared, digest=manifest.digest), MediaType.OCI_INDEX)
    assert pull_image(reference, platform, store, access=access).manifest_digest == manifest.digest


def test_an_index_whose_manifest_is_gone_is_an_error(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    declared = {"os": "linux", "architecture": "amd64"}
    reference = put(registry, index_of(declared, digest=Digest.of(b"gone")), MediaType.OCI_INDEX)
    with pytest.raises(BaseImageError, match="that its registry does not have"):
        pull_image(reference, AMD64, store, access=access)


def test_environment_variables_are_split_at_the_first_sign(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    pulled = pull_image(put(registry, put_image(registry)), AMD64, store, access=access)
    assert pulled.config.env == (("PATH", "/bin"), ("EMPTY", ""), ("A", "b=c"))


@pytest.mark.parametrize("text", ["127.0.0.1:5000/a", "127.0.0.1:5000/a:1"])
def test_pulling_needs_a_digest(store: BlobStore, access: Access, text: str) -> None:
    with pytest.raises(UsageError, match="by digest"):
        pull_image(Reference.parse(text), AMD64, store, access=access)


def test_a_name_without_registry_is_refused(store: BlobStore, access: Access) -> None:
    with pytest.raises(UsageError, match="must say its registry"):
        pull_image(Reference(repository="python", digest=Digest.of(b"x")), AMD64, store, access=access)


def test_a_pulled_image_can_be_built_on(
    registry: FakeRegistry, theirs: BlobStore, store: BlobStore, access: Access
) -> None:
    reference = pushed(registry, theirs, access, synthetic_image(theirs, "base"))
    base = pull_image(reference, AMD64, store, access=access)
    image = image_of([*base.layers, layer_of(store, "code", b"code")])
    name = Reference(registry=registry.host, repository="models/churn", tag="1")
    result = push_image(image, store, name, mount_from=[REPOSITORY], access=access)
    assert [blob.mounted_from for blob in result.blobs if blob.title.endswith(", layer 1")] == [REPOSITORY]
