from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from builder.errors import PublishRefusedError, RegistryError, StoreError, UsageError
from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.reference import Reference
from builder.publish.push import image_tag, push_image, push_index
from builder.publish.transport import Access
from builder.publish.upload import Outcome
from builder.store.blobs import BlobStore
from tests.support.clocks import SteppedClock
from tests.support.registry import FakeRegistry, error_body
from tests.support.synthetic import ARM64, image_of, layer_of, noise, synthetic_image


def name(registry: FakeRegistry, repository: str = "models/churn", version: str = "1.0.0") -> Reference:
    return Reference(registry=registry.host, repository=repository, tag=version)


@pytest.mark.parametrize("manifest_format", list(ManifestFormat))
def test_pushes_the_bytes_that_were_built_under_both_tags(
    registry: FakeRegistry, store: BlobStore, access: Access, manifest_format: ManifestFormat
) -> None:
    image = synthetic_image(store)
    result = push_image(image, store, name(registry), manifest_format=manifest_format, access=access)
    content = image.manifest(manifest_format).encode()
    manifests = registry.manifests["models/churn"]
    assert manifests["1.0.0"][0] == manifests[image_tag("1.0.0", image.image_id)][0] == content
    assert manifests["1.0.0"][1] == image.manifest(manifest_format).media_type
    assert set(registry.blobs["models/churn"]) == {
        str(image.image_id),
        *(str(layer.descriptor.digest) for layer in image.layers),
    }
    assert result.manifest_digest == Digest.of(content)
    assert str(result.reference) == f"{registry.host}/models/churn:1.0.0@{Digest.of(content)}"
    assert result.tags == ("1.0.0", f"1.0.0-{image.image_id.short}")
    assert {blob.outcome for blob in result.blobs} == {Outcome.UPLOADED}
    assert not result.was_there


def test_pushing_again_sends_nothing(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    image = synthetic_image(store)
    push_image(image, store, name(registry), access=access)
    registry.calls.clear()
    result = push_image(image, store, name(registry), access=access)
    assert result.was_there
    assert {blob.outcome for blob in result.blobs} == {Outcome.PRESENT}
    assert {call.method for call in registry.calls} == {"GET"}
    assert len(registry.calls) == 2


def test_blobs_that_are_there_are_not_sent(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    push_image(synthetic_image(store, "a", "b"), store, name(registry), access=access)
    result = push_image(synthetic_image(store, "a", "c"), store, name(registry, version="1.1.0"), access=access)
    outcomes = {blob.title: blob.outcome for blob in result.blobs}
    assert outcomes == {
        "a.bin": Outcome.PRESENT,
        "c.bin": Outcome.UPLOADED,
        "configuration": Outcome.UPLOADED,
    }


def test_layers_are_mounted_from_where_they_were_pushed_before(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    push_image(synthetic_image(store, "base", "churn"), store, name(registry), access=access)
    result = push_image(synthetic_image(store, "base", "fraud"), store, name(registry, "models/fraud"), access=access)
    base = next(blob for blob in result.blobs if blob.title == "base.bin")
    assert (base.outcome, base.mounted_from) == (Outcome.MOUNTED, "models/churn")
    assert result.size(Outcome.MOUNTED) == base.size


def test_layers_are_mounted_from_named_repositories(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    image = synthetic_image(store, "base")
    held = {str(blob): store.read(blob) for blob in (image.layers[0].descriptor.digest,)}
    registry.blobs["bases/python"] = held
    result = push_image(image, store, name(registry), mount_from=["bases/other", "bases/python"], access=access)
    assert {b.title: b.mounted_from for b in result.blobs} == {"base.bin": "bases/python", "configuration": None}
    assert not registry.uploads, "uploads begun by refused mounts are cancelled"


def test_a_registry_that_cannot_mount_gets_the_bytes(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    push_image(synthetic_image(store, "base"), store, name(registry), access=access)
    registry.can_mount = False
    result = push_image(synthetic_image(store, "base"), store, name(registry, "models/fraud"), access=access)
    assert {blob.outcome for blob in result.blobs} == {Outcome.UPLOADED}


def test_a_refused_mount_gets_the_bytes(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    push_image(synthetic_image(store, "base"), store, name(registry), access=access)
    registry.fail("POST", "models/fraud/blobs/uploads", times=2, query="mount", status=403, body=error_body("DENIED"))
    registry.calls.clear()
    result = push_image(synthetic_image(store, "base"), store, name(registry, "models/fraud"), access=access)
    assert {blob.outcome for blob in result.blobs} == {Outcome.UPLOADED}
    assert len(registry.made("POST")) == 4


@pytest.mark.parametrize("drop_after", [1, 2, 70_000, 199_000])
def test_an_upload_that_was_cut_off_goes_on_where_it_stopped(
    registry: FakeRegistry, store: BlobStore, access: Access, drop_after: int
) -> None:
    image = synthetic_image(store, "weights", size=200_000)
    digest = image.layers[0].descriptor.digest
    registry.fail("PUT", "blobs/uploads", drop_after=drop_after)
    push_image(image, store, name(registry), access=access, jobs=1)
    assert registry.blobs["models/churn"][str(digest)] == store.read(digest)
    patches = registry.made("PATCH")
    if drop_after > 1:  # one byte looks like none
        assert [call.headers["content-range"] for call in patches] == [f"{drop_after}-{store.size(digest) - 1}"]
        assert patches[0].size == store.size(digest) - drop_after
    else:
        assert not patches


def test_an_upload_cut_off_again_and_again_goes_on_as_long_as_it_grows(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store, "weights", size=200_000)
    registry.fail("PUT", "blobs/uploads", drop_after=10_000)
    registry.fail("PATCH", "blobs/uploads", times=12, drop_after=10_000)
    push_image(image, store, name(registry), access=access, jobs=1)
    assert len(registry.made("PATCH")) == 13


def test_a_registry_that_cannot_resume_gets_all_of_it_again(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store, "weights", size=200_000)
    registry.can_resume = False
    registry.fail("PUT", "blobs/uploads", drop_after=50_000)
    push_image(image, store, name(registry), access=access, jobs=1)
    assert not registry.made("PATCH")
    assert "1.0.0" in registry.manifests["models/churn"]


def test_a_registry_that_refuses_to_go_on_gets_all_of_it_again(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store, "weights", size=200_000)
    registry.fail("PUT", "blobs/uploads", drop_after=50_000)
    registry.fail("PATCH", "blobs/uploads", status=416, body=error_body("BLOB_UPLOAD_INVALID"))
    push_image(image, store, name(registry), access=access, jobs=1)
    assert "1.0.0" in registry.manifests["models/churn"]


def test_an_upload_whose_answer_got_lost_is_found_done(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store, "weights")
    registry.fail("PUT", "blobs/uploads", forget=True)
    push_image(image, store, name(registry), access=access, jobs=1)
    assert len(registry.made("PUT", "blobs/uploads")) == 2, "one for each blob, none twice"


def test_server_errors_are_tried_again(
    registry: FakeRegistry, store: BlobStore, access: Access, clock: SteppedClock
) -> None:
    for method, path in (
        ("HEAD", "blobs"),
        ("POST", "uploads"),
        ("PUT", "uploads"),
        ("PUT", "manifests"),
        ("GET", "m"),
    ):
        registry.fail(method, path, times=2, status=503)
    push_image(synthetic_image(store), store, name(registry), access=access, jobs=1)
    assert "1.0.0" in registry.manifests["models/churn"]
    assert clock.pauses == [0.5, 1.0] * 5


def test_a_registry_that_keeps_failing_is_an_error_and_the_tag_stays(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    push_image(synthetic_image(store, "old"), store, name(registry), access=access)
    before = registry.manifests["models/churn"]["1.0.0"]
    registry.fail("PUT", "blobs/uploads", times=1000, status=502, body=b"<html>bad gateway</html>")
    with pytest.raises(RegistryError) as caught:
        push_image(synthetic_image(store, "new"), store, name(registry), access=access, move_tag=True)
    assert "502 Bad Gateway" in caught.value.render()
    assert "_state" not in caught.value.render(), "the query of an upload's address is a credential"
    assert registry.manifests["models/churn"]["1.0.0"] == before
    assert len(registry.manifests["models/churn"]) == 3


def test_a_push_dropped_for_good_leaves_the_tag(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    registry.fail("PUT", "blobs/uploads", times=1000, drop_after=0)
    with pytest.raises(RegistryError, match="connection to the registry failed"):
        push_image(synthetic_image(store), store, name(registry), access=access)
    assert not registry.manifests["models/churn"]


def test_an_interrupted_push_leaves_the_tag_and_stops(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push_image(synthetic_image(store), store, name(registry), access=access, progress=interrupt)
    assert not registry.manifests["models/churn"]


def test_the_version_tag_is_written_last_and_only_after_a_look(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store)
    push_image(image, store, name(registry), access=access)
    order = [str(call) for call in registry.calls if "manifests" in call.path or call.method == "PUT"]
    unique = f"/v2/models/churn/manifests/1.0.0-{image.image_id.short}"
    assert order[-5:] == [
        f"PUT {unique}",
        f"GET {unique}",
        "GET /v2/models/churn/manifests/1.0.0",
        "PUT /v2/models/churn/manifests/1.0.0",
        "GET /v2/models/churn/manifests/1.0.0",
    ]


def test_a_version_tag_never_moves_by_accident(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    first = push_image(synthetic_image(store, "a"), store, name(registry), access=access)
    registry.calls.clear()
    with pytest.raises(PublishRefusedError, match=r"tag 1\.0\.0 already names other content") as caught:
        push_image(synthetic_image(store, "b"), store, name(registry), access=access)
    assert caught.value.faults[0].got == str(first.manifest_digest)
    assert "--move-tag" in (caught.value.hint or "")
    assert {call.method for call in registry.calls} == {"GET"}, "nothing was sent"


def test_a_version_tag_moves_when_told_to(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    push_image(synthetic_image(store, "a"), store, name(registry), access=access)
    second = push_image(synthetic_image(store, "b"), store, name(registry), access=access, move_tag=True)
    assert Digest.of(registry.manifests["models/churn"]["1.0.0"][0]) == second.manifest_digest


def test_the_same_image_in_another_format_is_refused_with_its_own_words(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store)
    push_image(image, store, name(registry), access=access)
    with pytest.raises(PublishRefusedError, match="this image with another manifest"):
        push_image(image, store, name(registry), manifest_format=ManifestFormat.OCI, access=access)


def test_a_tag_that_another_push_took_meanwhile_is_refused(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    other = synthetic_image(store, "other").manifest(ManifestFormat.DOCKER)

    def overtake(text: str) -> None:
        registry.manifests["models/churn"]["1.0.0"] = (other.encode(), str(other.media_type))

    with pytest.raises(PublishRefusedError):
        push_image(synthetic_image(store), store, name(registry), access=access, progress=overtake)


def test_a_registry_that_stores_another_manifest_is_found_out(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    registry.fail("PUT", "manifests", times=9, replace=lambda content: content + b"\n")
    with pytest.raises(RegistryError, match="stores other bytes") as caught:
        push_image(synthetic_image(store), store, name(registry), access=access)
    assert caught.value.faults[0].want != caught.value.faults[0].got
    assert "1.0.0" not in registry.manifests["models/churn"], "the version tag was never written"


@pytest.mark.parametrize(
    ("method", "path", "extra"),
    [
        ("PUT", "blobs/uploads", {"Docker-Content-Digest": f"sha256:{'0' * 64}"}),
        ("PUT", "manifests", {"Docker-Content-Digest": f"sha256:{'0' * 64}"}),
    ],
)
def test_a_registry_that_says_another_digest_is_found_out(
    registry: FakeRegistry, store: BlobStore, access: Access, method: str, path: str, extra: dict[str, Any]
) -> None:
    registry.fail(method, path, times=9, extra=extra)
    with pytest.raises(RegistryError, match="stores other bytes"):
        push_image(synthetic_image(store), store, name(registry), access=access)
    assert "1.0.0" not in registry.manifests["models/churn"]


def test_a_blob_of_another_size_in_the_registry_is_found_out(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store)
    registry.blobs["models/churn"] = {str(image.layers[0].descriptor.digest): b"short"}
    with pytest.raises(RegistryError, match="stores other bytes") as caught:
        push_image(image, store, name(registry), access=access)
    assert caught.value.faults[0].got == "5 bytes"


def test_a_blob_damaged_in_the_store_is_named_and_removed(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store)
    path = store.path(image.layers[0].descriptor.digest)
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(StoreError, match=r"one\.bin") as caught:
        push_image(image, store, name(registry), access=access)
    assert "build the image again" in (caught.value.hint or "")
    assert not path.exists()


def test_bytes_changed_on_the_way_are_not_blamed_on_the_store(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    registry.rejects_digest = True
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        push_image(synthetic_image(store), store, name(registry), access=access)


def test_layers_missing_from_the_store_are_all_named_before_anything_is_sent(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    image = synthetic_image(store, "a", "b", "c")
    for layer in image.layers[:2]:
        store.path(layer.descriptor.digest).unlink()
    with pytest.raises(StoreError) as caught:
        push_image(image, store, name(registry), access=access)
    assert [fault.fact for fault in caught.value.faults] == [
        "layer is not in the store: a.bin",
        "layer is not in the store: b.bin",
    ]
    assert not registry.calls


def test_the_same_layer_twice_is_sent_once(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    layer = layer_of(store, "twice", noise("twice", 1000))
    result = push_image(image_of([layer, layer]), store, name(registry), access=access)
    assert len(result.blobs) == 2
    assert len(registry.made("PUT", "blobs/uploads")) == 2


def test_docker_manifests_name_docker_layer_types_only(
    registry: FakeRegistry, store: BlobStore, access: Access
) -> None:
    layer = layer_of(store, "weights", noise("weights", 1000), MediaType.OCI_LAYER_TAR)
    push_image(image_of([layer]), store, name(registry), access=access)
    assert b"vnd.oci" not in registry.manifests["models/churn"]["1.0.0"][0]


def test_an_index_names_every_platform(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    images = [synthetic_image(store, "a"), synthetic_image(store, "b", platform=ARM64)]
    result = push_index(images, store, name(registry), manifest_format=ManifestFormat.OCI, access=access)
    content, kind = registry.manifests["models/churn"]["1.0.0"]
    assert kind == MediaType.OCI_INDEX
    assert Digest.of(content) == result.manifest_digest
    for image in images:
        assert str(image.manifest(ManifestFormat.OCI).descriptor.digest).encode() in content
        assert image_tag("1.0.0", image.image_id) in result.tags
    assert re.findall(rb'"architecture":"(\w+)"', content) == [b"amd64", b"arm64"]
    assert push_index(images, store, name(registry), manifest_format=ManifestFormat.OCI, access=access).was_there


def test_an_index_of_one_platform_twice_is_refused(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    with pytest.raises(UsageError):
        push_index([synthetic_image(store, "a"), synthetic_image(store, "b")], store, name(registry), access=access)


@pytest.mark.parametrize("text", ["models/churn:1.0.0", "127.0.0.1:5000/models/churn"])
def test_a_name_without_registry_or_version_is_refused(store: BlobStore, access: Access, text: str) -> None:
    with pytest.raises(UsageError, match="to a registry, under a version"):
        push_image(synthetic_image(store), store, Reference.parse(text), access=access)


def test_a_version_too_long_for_a_tag_is_refused(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    with pytest.raises(UsageError, match="too long"):
        push_image(synthetic_image(store), store, name(registry, version="1" * 120), access=access)


def test_the_first_failure_stops_the_other_uploads(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    image = synthetic_image(store, *"abcdefgh")
    registry.fail("PUT", "blobs/uploads", times=1000, status=400, body=error_body("SIZE_INVALID"))
    with pytest.raises(RegistryError, match="SIZE_INVALID"):
        push_image(image, store, name(registry), access=access, jobs=1)
    assert len(registry.made("PUT", "blobs/uploads")) == 1


def test_progress_ends_with_everything_in_place(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    said: list[str] = []
    push_image(synthetic_image(store), store, name(registry), access=access, progress=said.append)
    assert said[-1].startswith("3 of 3 blobs in place")


def test_the_result_as_json_says_what_was_sent(registry: FakeRegistry, store: BlobStore, access: Access) -> None:
    image = synthetic_image(store)
    told = push_image(image, store, name(registry), access=replace(access)).to_dict()
    assert told["image_ids"] == [str(image.image_id)]
    assert told["bytes"]["uploaded"] == sum(blob["size"] for blob in told["blobs"])
    assert told["reference"].endswith(told["manifest_digest"])
