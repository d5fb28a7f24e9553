from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.store import layout as layout_module
from builder.store.blobs import BlobStore
from builder.store.layout import write_layout
from tests.support.synthetic import ARM64, synthetic_image


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def names(layout: Path) -> dict[str, str]:
    index = json.loads((layout / "index.json").read_bytes())
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in index["manifests"]}


def image_in(layout: Path, name: str) -> str:
    """Follow a name to the image ID, checking every digest on the way."""

    def blob(digest: str) -> bytes:
        content = (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
        assert str(Digest.of(content)) == digest
        return content

    manifest = json.loads(blob(names(layout)[name]))
    for layer in manifest["layers"]:
        assert len(blob(layer["digest"])) == layer["size"]
    blob(manifest["config"]["digest"])
    return str(manifest["config"]["digest"])


def test_a_layout_holds_both_dialects_of_an_image(store: BlobStore, tmp_path: Path) -> None:
    image = synthetic_image(store)
    destination = tmp_path / "build" / "layout"
    write_layout(store, [image], destination, tag="1.0.0")
    assert json.loads((destination / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert set(names(destination)) == {"1.0.0", "1.0.0-docker"}
    assert image_in(destination, "1.0.0") == image_in(destination, "1.0.0-docker") == str(image.image_id)
    assert destination.stat().st_mode & 0o777 == 0o755


def test_several_platforms_have_their_own_names(store: BlobStore, tmp_path: Path) -> None:
    images = [synthetic_image(store, "a"), synthetic_image(store, "b", platform=ARM64)]
    write_layout(store, images, tmp_path / "layout", tag="1")
    own = {"1-amd64", "1-amd64-docker", "1-arm64", "1-arm64-docker"}
    assert set(names(tmp_path / "layout")) == {*own, "1", "1-docker"}
    assert image_in(tmp_path / "layout", "1-arm64") == str(images[1].image_id)


@pytest.mark.parametrize(("name", "suffix"), [("1", ""), ("1-docker", "-docker")])
def test_several_platforms_are_an_index_under_the_version(
    store: BlobStore, tmp_path: Path, name: str, suffix: str
) -> None:
    images = [synthetic_image(store, "a"), synthetic_image(store, "b", platform=ARM64)]
    layout = tmp_path / "layout"
    write_layout(store, images, layout, tag="1")
    found = names(layout)
    content = (layout / "blobs" / "sha256" / found[name].removeprefix("sha256:")).read_bytes()
    assert str(Digest.of(content)) == found[name]
    index = json.loads(content)
    assert "index" in index["mediaType"] or "manifest.list" in index["mediaType"]
    assert {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]} == {
        "amd64": found[f"1-amd64{suffix}"],
        "arm64": found[f"1-arm64{suffix}"],
    }


def test_a_layout_replaces_the_one_that_was_there(store: BlobStore, tmp_path: Path) -> None:
    destination = tmp_path / "layout"
    for seed in ("a", "b"):
        image = synthetic_image(store, seed)
        write_layout(store, [image], destination, tag="1")
        assert image_in(destination, "1") == str(image.image_id)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "store"]


def test_blobs_are_not_copied(store: BlobStore, tmp_path: Path) -> None:
    image = synthetic_image(store)
    write_layout(store, [image], tmp_path / "layout", tag="1")
    digest = image.layers[0].descriptor.digest
    assert store.path(digest).samefile(tmp_path / "layout" / "blobs" / "sha256" / digest.hex)


def test_a_missing_layer_leaves_what_was_there(store: BlobStore, tmp_path: Path) -> None:
    destination = tmp_path / "layout"
    before = synthetic_image(store, "before")
    write_layout(store, [before], destination, tag="1")
    after = synthetic_image(store, "after")
    store.path(after.layers[0].descriptor.digest).unlink()
    with pytest.raises(StoreError):
        write_layout(store, [after], destination, tag="1")
    assert image_in(destination, "1") == str(before.image_id)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "store"]


def test_a_disk_that_fills_up_leaves_what_was_there(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = tmp_path / "layout"
    before = synthetic_image(store, "before")
    write_layout(store, [before], destination, tag="1")

    def full(made: Path, place: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout_module, "put_in_place", full)
    with pytest.raises(StoreError, match="No space left"):
        write_layout(store, [synthetic_image(store, "after")], destination, tag="1")
    assert image_in(destination, "1") == str(before.image_id)


def test_builds_at_once_leave_one_whole_layout_and_a_reader_always_finds_one(store: BlobStore, tmp_path: Path) -> None:
    destination = tmp_path / "layout"
    images = [synthetic_image(store, seed) for seed in "abc"]
    write_layout(store, [images[0]], destination, tag="1")
    known = {str(image.image_id) for image in images}
    done = threading.Event()
    misses: list[str] = []

    def read() -> None:
        while not done.is_set():
            if not (destination / "index.json").exists():
                misses.append("no layout")

    def write(image: Image) -> None:
        for _ in range(20):
            write_layout(store, [image], destination, tag="1")

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(image,)) for image in images]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert image_in(destination, "1") in known
    assert not misses
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "store"]
