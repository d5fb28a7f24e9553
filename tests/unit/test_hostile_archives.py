"""One fuzz test of everything that reads archives: good bytes, an error that was foreseen, and never a byte elsewhere.

The corpus is tests/support/hostile.py. Damage is by seed, so a failure comes again with the number in its name.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.assemble.layer import write_layer
from builder.assemble.wheel import wheel_entries
from builder.engine.saved import Slice, apply_layer, archive_faults, inflated
from builder.errors import DigestMismatchError, EngineError, KilnError, PlanError, StoreError
from builder.host.removal import remove_tree
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.plan import places
from builder.publish.uncompressed import DiffIdReader
from builder.store import growth as growth_module
from builder.store.blobs import BlobStore
from builder.store.growth import Growth
from builder.store.tree import HeldTree, hold_tree
from tests.support.hostile import (
    FILENAME,
    MEMBER,
    damaged,
    digest_tree,
    hostile_gzips,
    hostile_tars,
    hostile_wheels,
    member,
    odd_wheels,
    tar_of,
)
from tests.support.wheels import source_of, tree_of

WHEELS, TARS, GZIPS, ODD = hostile_wheels(), hostile_tars(Path("/outside")), hostile_gzips(), odd_wheels()
SEEDS = 40
"""Seeds for one test; each test takes several kinds of archive."""
HARMLESS = {
    "an absolute path",
    "a file over a link",
    "a folder over a link",
    "a whiteout of what is above",
    "a device",
    "a pipe",
    "a name twice",
    "setuid",
}
"""Tars that are read: what they try stays within the tree, or is left out."""


@contextmanager
def confined(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Lend a place to work in and one outside of it, and demand that nothing outside was touched."""
    outside, inside = folder / "outside", folder / "inside"
    outside.mkdir(parents=True)
    (outside / "secret").write_text("secret")
    inside.mkdir()
    before = digest_tree(outside)
    yield inside, outside
    assert digest_tree(outside) == before
    assert sorted(path.name for path in folder.iterdir()) == ["inside", "outside"]
    assert not list(Path("/tmp").glob("kiln-was-here*"))


def demand_whole(store: BlobStore) -> None:
    """Demand that a store holds whole blobs and nothing half-made."""
    for path in (store.root / "blobs" / "sha256").glob("*"):
        assert Digest.of(path.read_bytes()).hex == path.name
    assert not list((store.root / "aside").glob("*"))


# --- wheels


def link(content: bytes, folder: Path) -> dict[str, tuple[str, int, bytes | str]]:
    """Make a layer of a wheel and read it with the standard library."""
    wheel, store = folder / FILENAME, BlobStore(folder / "store")
    wheel.write_bytes(content)
    try:
        layer = write_layer(wheel_entries(source_of(wheel), wheel), store, title="demo")
        return tree_of(store, layer)
    finally:
        demand_whole(store)


@pytest.mark.parametrize("case", WHEELS)
def test_a_hostile_wheel_never_becomes_a_layer(case: str, tmp_path: Path) -> None:
    with confined(tmp_path) as (inside, _):
        with pytest.raises((PlanError, DigestMismatchError)) as caught:
            link(WHEELS[case], inside)
        assert FILENAME in caught.value.render() or "demo" in caught.value.render()
        assert sorted(path.name for path in inside.iterdir()) in ([FILENAME], [FILENAME, "store"])
        assert not list((inside / "store" / "blobs" / "sha256").glob("*"))


@pytest.mark.parametrize("case", ODD)
def test_an_odd_wheel_gives_the_bytes_every_reader_sees(case: str, tmp_path: Path) -> None:
    with confined(tmp_path) as (inside, _):
        tree = link(ODD[case], inside)
    assert tree[f"{places.PACKAGES.lstrip('/')}/demo/more.py"][2] == MEMBER


@pytest.mark.parametrize("case", ODD)
def test_a_damaged_wheel_gives_true_bytes_in_their_place_or_an_error(case: str, tmp_path: Path) -> None:
    prefix = places.PACKAGES.lstrip("/")
    with confined(tmp_path / "whole") as (inside, _):
        true = {entry[2] for entry in link(ODD[case], inside).values() if entry[0] == "0"}
    refused = 0
    for seed in range(SEEDS):
        with confined(tmp_path / str(seed)) as (inside, _):
            try:
                tree = link(damaged(ODD[case], seed), inside)
            except KilnError:
                refused += 1
                continue
        assert all(
            path == prefix or f"{prefix}/".startswith(f"{path}/") or path.startswith(f"{prefix}/") for path in tree
        )
        # A name is in no checksum, so RECORD, which has names, may differ; what is under any other name is whole.
        found = {entry[2] for path, entry in tree.items() if entry[0] == "0" and not path.endswith("RECORD")}
        assert found <= true, f"seed {seed}"
    assert refused > SEEDS // 2


# --- layers


def layer_of(store: BlobStore, blob: bytes, tar: bytes, media_type: MediaType = MediaType.OCI_LAYER_GZIP) -> Layer:
    descriptor = Descriptor(media_type=media_type, digest=store.add(blob), size=len(blob))
    return Layer(descriptor=descriptor, diff_id=Digest.of(tar), title="hostile")


@contextmanager
def held(layer: Layer, store: BlobStore) -> Iterator[HeldTree]:
    """Lend a layer's tree on disk."""
    try:
        tree = hold_tree([layer], store, own=False)
        try:
            yield tree
        finally:
            tree.release()
    finally:
        remove_tree(store.root / "trees")


def demand_inside(root: Path, inside: Path) -> None:
    """Demand that no file of a tree is, by a hard link, one of somewhere else."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.read_bytes() != b"secret"
            assert path.resolve().is_relative_to(inside.resolve())


@pytest.mark.parametrize("case", TARS)
def test_a_hostile_tar_stays_in_its_tree_or_is_refused(case: str, tmp_path: Path) -> None:
    with confined(tmp_path) as (inside, outside):
        tar, store = hostile_tars(outside)[case], BlobStore(inside / "store")
        layer = layer_of(store, gzip.compress(tar, mtime=0), tar)
        if case in HARMLESS:
            with held(layer, store) as tree:
                demand_inside(tree.path, inside)
                assert not any(path.is_block_device() or path.is_fifo() for path in tree.path.rglob("*"))
        else:
            with pytest.raises(StoreError), held(layer, store):
                pass
        read_as_saved(tar, inside, case)


def read_as_saved(tar: bytes, inside: Path, case: str) -> None:
    """Read it as what an engine saved; nothing is written there, so only words may differ."""
    path = inside / "layer.tar"
    path.write_bytes(tar)
    try:
        with archive_faults(case):
            apply_layer({}, Slice.of(path))
    except (EngineError, StoreError):
        assert case not in {"a name twice", "setuid"}


@pytest.mark.parametrize("case", GZIPS)
def test_a_hostile_gzip_stream_is_no_layer(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth_module, "FLOOR", 8 << 20)
    with confined(tmp_path) as (inside, _):
        blob, store = GZIPS[case], BlobStore(inside / "store")
        layer = layer_of(store, blob, b"")
        with pytest.raises((StoreError, DigestMismatchError)), held(layer, store):
            pass
        assert not list((inside / "store" / "aside").glob("*"))
        reader = DiffIdReader(MediaType.OCI_LAYER_GZIP, len(blob))
        reader.write(blob)
        with pytest.raises(ValueError, match=r"gzip|real"):
            reader.diff_id()
        path, aside = inside / "blob", inside / "blob.tar"
        path.write_bytes(blob)
        if case not in ("nothing", "noise"):  # no gzip at all: it is taken for a tar, and refused as that
            with pytest.raises((EngineError, StoreError)), archive_faults(case):
                inflated(Slice.of(path), aside)
            assert not aside.exists()


def test_what_compresses_best_of_all_that_is_real_is_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty files, each a header of 512 bytes."""
    monkeypatch.setattr(growth_module, "FLOOR", 0)
    tar = tar_of(*(member(f"usr/share/empty/{number:07}") for number in range(20_000)))
    blob = gzip.compress(tar, 9, mtime=0)
    assert len(tar) < 100 * len(blob)
    growth = Growth(len(blob), at="empty files")
    growth.add(len(tar))


def test_a_damaged_layer_is_whole_or_refused_and_stays_in_its_place(tmp_path: Path) -> None:
    tar = tar_of(
        member("d", kind=b"5", mode=0o755),
        member("d/a", MEMBER),
        member("l", kind=b"2", link="d/a"),
        member("h", kind=b"1", link="d/a"),
        member("x" * 200, b"long"),
    )
    blob = gzip.compress(tar, mtime=0)
    for seed in range(SEEDS):
        with confined(tmp_path / f"blob{seed}") as (inside, _):
            store = BlobStore(inside / "store")
            with (
                pytest.raises((StoreError, DigestMismatchError)),
                held(layer_of(store, damaged(blob, seed), tar), store),
            ):
                pass
        with confined(tmp_path / f"tar{seed}") as (inside, _):  # an attacker's digests fit what he wrote
            bad, store = damaged(tar, seed), BlobStore(inside / "store")
            try:
                with held(layer_of(store, gzip.compress(bad, mtime=0), bad), store) as tree:
                    demand_inside(tree.path, inside)
            except KilnError:
                pass
            read_as_saved(bad, inside, f"seed {seed}")
