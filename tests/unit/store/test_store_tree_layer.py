from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from tree_archives import Archive, layer_of, store_at

from builder.errors import DigestMismatchError, StoreError
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.store.blobs import BlobStore
from builder.store.tree_layer import LayerPool, NodeKind, chain_id, granted_mode, open_pool, unpack_layer


def unpack(layer: Layer, store: BlobStore) -> LayerPool:
    return unpack_layer(layer, store, store.root / "pool", own=False, aside=store.root / "trees-aside")


def left_behind(store: BlobStore) -> list[Path]:
    return [path for name in ("pool", "trees-aside") for path in (store.root / name).rglob("*")]


def test_a_pool_holds_contents_by_number_and_can_be_opened_again(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = Archive().directory("d").file("d/a", b"one").file("d/b", b"two").symlink("l", "d/a").layer(store)
    pool = unpack(layer, store)
    kinds = [(node.path, node.kind) for node in pool.nodes]
    assert kinds == [
        ("d", NodeKind.DIRECTORY),
        ("d/a", NodeKind.FILE),
        ("d/b", NodeKind.FILE),
        ("l", NodeKind.SYMLINK),
    ]
    contents = [pool.file(node.content).read_bytes() for node in pool.nodes if node.content is not None]
    assert contents == [b"one", b"two"]
    assert open_pool(pool.root) == pool


def test_many_gzip_members_with_padding_between_are_one_archive(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    tar = Archive().file("a", b"x" * 200_000).file("b", b"y").bytes()
    pieces = [tar[place : place + 1000] for place in range(0, len(tar), 1000)]
    blob = b"".join(gzip.compress(piece, mtime=0) for piece in pieces) + bytes(700)
    pool = unpack(layer_of(store, blob, tar), store)
    assert pool.file(0).read_bytes() == b"x" * 200_000


def test_a_plain_tar_needs_no_gzip(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    tar = Archive().file("a", b"x").bytes()
    pool = unpack(layer_of(store, tar, tar, media_type=MediaType.OCI_LAYER_TAR), store)
    assert pool.file(0).read_bytes() == b"x"


def test_zstd_is_refused_with_a_way_out(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with pytest.raises(StoreError) as caught:
        unpack(layer_of(store, b"", b"", media_type=MediaType.OCI_LAYER_ZSTD), store)
    assert caught.value.hint == "run this image with a container engine, or choose a base with gzip layers"


def test_other_blob_bytes_are_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = Archive().file("a", b"x").layer(store)
    path = store.path(layer.descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(gzip.compress(Archive().file("a", b"other").bytes()))
    with pytest.raises(DigestMismatchError) as caught:
        unpack(layer, store)
    assert caught.value.faults[0].want == str(layer.descriptor.digest)
    assert left_behind(store) == []


def test_a_blob_that_is_no_archive_is_a_digest_mismatch_first(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = Archive().file("a", b"x").layer(store)
    path = store.path(layer.descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(DigestMismatchError):
        unpack(layer, store)


def test_other_uncompressed_bytes_are_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = replace(Archive().file("a", b"x").layer(store), diff_id=Digest.of(b"other"))
    with pytest.raises(DigestMismatchError) as caught:
        unpack(layer, store)
    assert caught.value.faults[0].want == str(Digest.of(b"other"))
    assert left_behind(store) == []


def test_bytes_after_the_end_of_the_archive_count_too(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    tar = Archive().file("a", b"x").bytes()
    padded = tar + bytes(1 << 16)
    assert unpack(layer_of(store, gzip.compress(padded), padded), store).skipped == ()
    with pytest.raises(DigestMismatchError):
        unpack_layer(
            layer_of(store, gzip.compress(padded + b"!"), padded),
            store,
            store.root / "other",
            own=False,
            aside=store.root / "trees-aside",
        )


@pytest.mark.parametrize("cut", [10, 40])
def test_a_truncated_archive_with_the_right_digest_is_not_readable(tmp_path: Path, cut: int) -> None:
    store = store_at(tmp_path)
    tar = Archive().file("a", b"x" * 5000).bytes()
    with pytest.raises(StoreError, match="not a readable archive"):
        unpack(layer_of(store, gzip.compress(tar, mtime=0)[:-cut], tar), store)
    assert left_behind(store) == []


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/../out"])
def test_a_name_that_leaves_the_root_is_refused(tmp_path: Path, name: str) -> None:
    store = store_at(tmp_path)
    with pytest.raises(StoreError, match="outside its root"):
        unpack(Archive().file(name, b"x").layer(store), store)
    assert left_behind(store) == []


def test_a_hard_link_that_leaves_the_root_is_refused(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with pytest.raises(StoreError, match="outside its root"):
        unpack(Archive().hardlink("a", "../../etc/shadow").layer(store), store)


def test_leading_dots_and_slashes_mean_the_root(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    pool = unpack(Archive().directory("./").file("./a", b"").file("/b", b"").layer(store), store)
    assert [node.path for node in pool.nodes] == ["", "a", "b"]


def test_devices_and_pipes_are_left_out_with_a_reason(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    pool = unpack(Archive().device("dev/sda").fifo("pipe").file("a", b"").layer(store), store)
    assert pool.skipped == (
        "/dev/sda: device files are not unpacked",
        "/pipe: special files are not unpacked",
    )
    assert [node.path for node in pool.nodes] == ["a"]


def test_whiteouts_name_what_they_hide(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    archive = Archive().file("d/.wh.gone", b"").file(".wh.top", b"").file("d/.wh..wh..opq", b"").file("d/.wh.", b"")
    pool = unpack(archive.layer(store), store)
    assert [(node.kind, node.path) for node in pool.nodes] == [
        (NodeKind.WHITEOUT, "d/gone"),
        (NodeKind.WHITEOUT, "top"),
        (NodeKind.OPAQUE, "d"),
    ]
    assert pool.skipped == ("/d/.wh.: not a whiteout the specification knows",)


@pytest.mark.parametrize(
    ("mode", "gid", "granted"),
    [(0o640, 0, 0o444), (0o640, 5, 0), (0o755, 5, 0o555), (0o1777, 0, 0o1777), (0o070, 0, 0o777)],
)
def test_what_a_stranger_in_group_0_is_granted(mode: int, gid: int, granted: int) -> None:
    assert granted_mode(mode, gid) == granted


def test_a_damaged_index_means_unpacking_again(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"nodes": [["a"]]}')
    assert open_pool(tmp_path) is None


def test_a_chain_id_of_one_layer_is_its_diff_id() -> None:
    assert chain_id([Digest.of(b"a")]) == Digest.of(b"a")
