"""Layers damaged at random: the right tree or a foreseen error, and nothing outside the pool."""

from __future__ import annotations

import gzip
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tree_archives import Archive, layer_of, store_at

from builder.errors import KilnError
from builder.store.tree_layer import unpack_layer


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_layer_is_unpacked_whole_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    archive = Archive().directory("d").file("d/a", b"one" * 300).symlink("l", "../../..").hardlink("h", "d/a")
    tar = bytearray(archive.file("l/x", b"below a link").device("dev").fifo("p").file("n" * 150, b"long").bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        tar[data.draw(st.integers(0, 6000))] = data.draw(st.integers(0, 255))
    blob = bytearray(gzip.compress(bytes(tar), mtime=0))
    if data.draw(st.booleans()):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    folder = tmp_path / "place"
    store = store_at(folder)
    # Digests fit, as they do when whoever made the image is who damaged it.
    layer = layer_of(store, bytes(blob), bytes(tar))
    root = store.root / "pools" / layer.descriptor.digest.hex / layer.diff_id.hex
    try:
        pool = unpack_layer(layer, store, root, own=False, aside=store.root / "trees-aside")
    except KilnError:
        assert not root.exists()
    else:
        assert not [node for node in pool.nodes if node.path.startswith("/") or ".." in node.path.split("/")]
    assert list(tmp_path.iterdir()) == [folder]
    assert {path.name for path in folder.iterdir()} == {"store"}
    assert not list((store.root / "trees-aside").iterdir())
