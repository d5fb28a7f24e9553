from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import docker
import pytest

from builder.engine.docker import DockerEngine
from builder.engine.runner import RunOptions
from builder.errors import DigestMismatchError, EngineError, StoreError
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.store.blobs import BlobStore
from tests.support.images import ECHO_SERVER, python_image

pytestmark = pytest.mark.engine
OPTIONS = RunOptions(memory=128 << 20, cpu=1, uid=4711)


class Watched:
    """A store that counts what is read from it."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.sent: list[Digest] = []

    def chunks(self, digest: Digest, *, offset: int = 0) -> Iterator[bytes]:
        self.sent.append(digest)
        return self._store.chunks(digest, offset=offset)


def image_with(store: BlobStore, mark: str) -> Image:
    return python_image(store, {"serve.py": ECHO_SERVER + f"# {mark}\n".encode()}, script="serve.py")


def test_a_loaded_image_has_its_own_id_and_its_tags(
    engine: DockerEngine, image_store: BlobStore, sdk: docker.DockerClient
) -> None:
    image = image_with(image_store, "tags")
    assert engine.find(image) is None
    tags = ["kiln-test-load:1.0.0", f"kiln-test-load:1.0.0-{image.image_id.short}"]
    assert engine.load(image, image_store, tags=tags) == str(image.image_id)
    assert engine.find(image) == str(image.image_id)
    assert sorted(sdk.images.get(tags[0]).tags) == tags
    sdk.images.remove(str(image.image_id), force=True)


def test_layers_the_engine_has_are_not_sent_again(engine: DockerEngine, image_store: BlobStore) -> None:
    engine.load(image_with(image_store, "first"), image_store)
    second = image_with(image_store, "second")
    watched = Watched(image_store)
    said: list[str] = []
    engine.load(second, watched, progress=said.append)
    assert watched.sent == [second.layers[1].descriptor.digest]
    assert said[0] == "1 of 2 layers are there already"
    watched.sent.clear()
    engine.load(second, watched)
    assert watched.sent == []


def test_an_archive_that_lacks_too_much_is_followed_by_a_whole_one(
    engine: DockerEngine, image_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_with(image_store, "too hopeful")
    monkeypatch.setattr(engine._loader, "_present_layers", lambda *_: 2)
    watched = Watched(image_store)
    assert engine.load(image, watched) == str(image.image_id)
    assert watched.sent == [layer.descriptor.digest for layer in image.layers]


def test_layers_that_are_not_what_the_configuration_says_are_refused(
    engine: DockerEngine, image_store: BlobStore
) -> None:
    image = image_with(image_store, "swapped")
    swapped = Image(
        config=image.config, layers=(image.layers[0], replace(image.layers[0], diff_id=image.layers[1].diff_id))
    )
    with pytest.raises(EngineError) as caught:
        engine.load(swapped, image_store)
    assert "refused the image" in caught.value.faults[0].fact
    assert "invalid diffID" in (caught.value.faults[0].got or "")


def test_a_blob_that_is_missing_is_named_and_no_riddle(engine: DockerEngine, image_store: BlobStore) -> None:
    image = image_with(image_store, "missing")
    image_store.path(image.layers[1].descriptor.digest).unlink()
    with pytest.raises(StoreError, match="cannot read blob"):
        engine.load(image, image_store)
    assert engine.find(image) is None


def test_an_image_the_engine_does_not_have_cannot_be_started(engine: DockerEngine, image_store: BlobStore) -> None:
    with pytest.raises(EngineError) as caught:
        engine.start(image_with(image_store, "never loaded"), OPTIONS)
    assert caught.value.faults[0].fact == "the engine does not have this image"


def test_an_engine_that_holds_other_layers_under_the_id_is_a_digest_mismatch(
    engine: DockerEngine, image_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_with(image_store, "other layers")
    engine.load(image, image_store)
    inspect = engine._images.inspect_image
    monkeypatch.setattr(
        engine._images, "inspect_image", lambda name: {**(inspect(name) or {}), "RootFS": {"Layers": ["sha256:no"]}}
    )
    with pytest.raises(DigestMismatchError):
        engine.start(image, OPTIONS)
    with pytest.raises(DigestMismatchError) as caught:
        engine.load(image, image_store)
    assert caught.value.faults[0].want == str(image.image_id)
