from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.engine.archive import context_archive, image_archive
from builder.errors import HostError, StoreError
from builder.oci.config import ImageConfig
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.manifest import ImageIndex, ImageManifest
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform
from builder.plan.model import EPOCH
from builder.store.blobs import BlobStore
from tests.support.images import layer_of, tar_of


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def image_of(*layers: Layer) -> Image:
    config = ImageConfig(
        platform=Platform("linux", "amd64"), created=EPOCH, diff_ids=tuple(layer.diff_id for layer in layers)
    )
    return Image(config=config, layers=layers)


@pytest.fixture
def image(store: BlobStore) -> Image:
    return image_of(*(layer_of(store, name, tar_of({name: name.encode()})) for name in ("a", "b", "c")))


def members(chunks: Iterator[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        out = {}
        for info in archive:
            file = archive.extractfile(info)
            out[info.name] = file.read() if file else b""
        return out


def test_a_whole_archive_is_read_both_ways(image: Image, store: BlobStore) -> None:
    found = members(image_archive(image, store))
    [entry] = json.loads(found["manifest.json"])
    assert entry["RepoTags"] is None
    assert Digest.of(found[entry["Config"]]) == image.image_id
    assert [Digest.of(found[name]) for name in entry["Layers"]] == [layer.descriptor.digest for layer in image.layers]
    [descriptor] = ImageIndex.decode(found["index.json"]).manifests
    assert descriptor.digest == image.manifest(ManifestFormat.OCI).descriptor.digest
    manifest = ImageManifest.decode(found[f"blobs/sha256/{descriptor.digest.hex}"])
    assert [layer.digest for layer in manifest.layers] == [layer.descriptor.digest for layer in image.layers]
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_layers_the_engine_has_are_named_and_left_out(image: Image, store: BlobStore) -> None:
    found = members(image_archive(image, store, present=2))
    [entry] = json.loads(found["manifest.json"])
    assert len(entry["Layers"]) == 3
    assert set(found) == {"manifest.json", entry["Config"], entry["Layers"][2]}


def test_a_layer_that_occurs_twice_is_sent_once(store: BlobStore) -> None:
    layer = layer_of(store, "a", tar_of({"a": b"a"}))
    with tarfile.open(fileobj=io.BytesIO(b"".join(image_archive(image_of(layer, layer), store)))) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))


def test_the_same_image_gives_the_same_archive(image: Image, store: BlobStore) -> None:
    assert b"".join(image_archive(image, store)) == b"".join(image_archive(image, store))


def test_a_missing_layer_is_a_store_error(image: Image, store: BlobStore) -> None:
    store.path(image.layers[2].descriptor.digest).unlink()
    with pytest.raises(StoreError):
        b"".join(image_archive(image, store))


def test_a_layer_of_another_size_than_it_should_be_is_an_error(image: Image, store: BlobStore) -> None:
    path = store.path(image.layers[2].descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(b"short")
    with pytest.raises(HostError, match="changed while it was sent"):
        b"".join(image_archive(image, store))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "model").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "model" / ("long" * 40)).write_bytes(b"x" * 1000)
    (folder / "model" / "naïve [1].bin").write_bytes(b"")
    (folder / "run").write_text("#!")
    (folder / "run").chmod(0o700)
    return folder


def test_a_context_is_sent_with_the_same_bytes_whatever_modes_and_times_it_has(context: Path) -> None:
    first = b"".join(context_archive(context))
    for path in context.rglob("*"):
        path.chmod(0o700 if path.is_dir() or path.name == "run" else 0o600)
        os.utime(path, (1, 1))
    assert b"".join(context_archive(context)) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert {info.name: oct(info.mode) for info in archive} == {
            "Dockerfile": "0o644",
            "model": "0o755",
            f"model/{'long' * 40}": "0o644",
            "model/naïve [1].bin": "0o644",
            "run": "0o755",
        }
        assert {(info.uid, info.gid, info.uname, info.mtime) for info in archive} == {(0, 0, "", EPOCH)}


def test_a_link_in_a_context_is_refused(context: Path) -> None:
    (context / "link").symlink_to("/etc/passwd")
    with pytest.raises(HostError) as caught:
        b"".join(context_archive(context))
    assert caught.value.faults[0].at == str(context / "link")
