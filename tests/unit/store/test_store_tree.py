from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tree_archives import Archive, store_at

from builder.errors import StoreError
from builder.host.removal import remove_tree
from builder.oci.digest import Digest
from builder.store.tree import HeldTree, MergedTree, hold_tree, unpack_layers
from builder.store.tree_layer import LayerPool, Node, NodeKind


def merged(*layers: list[Node]) -> MergedTree:
    tree = MergedTree()
    for number, nodes in enumerate(layers):
        tree.apply(LayerPool(root=Path(f"/pool{number}"), nodes=tuple(nodes), skipped=()))
    return tree


def file(path: str, content: int = 0) -> Node:
    return Node(path, NodeKind.FILE, 0o644, content=content)


def folder(path: str, mode: int = 0o755) -> Node:
    return Node(path, NodeKind.DIRECTORY, mode)


def link(path: str, target: str) -> Node:
    return Node(path, NodeKind.SYMLINK, 0o777, link=target)


def origin(tree: MergedTree, path: str) -> str:
    pool = tree.placed[path].pool
    assert pool is not None
    return pool.root.name


@pytest.fixture
def held(tmp_path: Path) -> Iterator[list[HeldTree]]:
    trees: list[HeldTree] = []
    yield trees
    for tree in trees:
        tree.release()
    remove_tree(tmp_path)


def test_upper_layers_win() -> None:
    tree = merged([file("a"), file("b")], [file("a")])
    assert (origin(tree, "a"), origin(tree, "b")) == ("pool1", "pool0")


def test_a_whiteout_hides_a_lower_file_and_is_no_file_itself() -> None:
    tree = merged([file("d/a"), file("d/b")], [Node("d/a", NodeKind.WHITEOUT)])
    assert set(tree.placed) == {"", "d", "d/b"}


def test_a_whiteout_hides_a_whole_lower_folder() -> None:
    tree = merged([file("d/e/a"), file("c")], [Node("d", NodeKind.WHITEOUT)])
    assert set(tree.placed) == {"", "c"}


def test_a_whiteout_spares_its_own_layer_whatever_the_order() -> None:
    tree = merged([file("a")], [file("a"), Node("a", NodeKind.WHITEOUT)])
    assert origin(tree, "a") == "pool1"


def test_an_opaque_folder_hides_all_that_lower_layers_put_there() -> None:
    tree = merged([file("d/a"), file("d/e/b"), file("c")], [file("d/new"), Node("d", NodeKind.OPAQUE)])
    assert set(tree.placed) == {"", "c", "d", "d/new"}


def test_a_whiteout_of_nothing_does_nothing() -> None:
    assert set(merged([Node("no/such", NodeKind.WHITEOUT), Node("nor", NodeKind.OPAQUE)]).placed) == {""}


def test_a_file_replaces_a_folder_and_all_below_it() -> None:
    assert set(merged([file("d/e/a")], [file("d")]).placed) == {"", "d"}


def test_a_folder_takes_over_the_attributes_of_a_lower_one_and_keeps_what_is_in_it() -> None:
    tree = merged([folder("d"), file("d/a")], [folder("d", 0o700)])
    assert tree.placed["d"].node.mode == 0o700
    assert "d/a" in tree.placed


def test_names_below_a_link_to_a_folder_land_in_that_folder() -> None:
    tree = merged([folder("usr/lib"), link("lib", "usr/lib")], [file("lib/x.so")])
    assert "usr/lib/x.so" in tree.placed
    assert tree.placed["lib"].node.kind is NodeKind.SYMLINK


@pytest.mark.parametrize("target", ["/etc", "../../../etc", "/x/../../etc"])
def test_links_that_point_out_are_resolved_inside(target: str) -> None:
    tree = merged([folder("etc"), folder("x"), link("out", target)], [file("out/passwd")])
    assert "etc/passwd" in tree.placed


def test_a_layer_cannot_write_below_a_link_that_leads_nowhere() -> None:
    with pytest.raises(StoreError, match="leads nowhere"):
        merged([link("out", "/no/such")], [file("out/a")])


def test_links_in_a_circle_end() -> None:
    with pytest.raises(StoreError, match="leads nowhere"):
        merged([link("a", "b"), link("b", "a")], [file("a/x")])


def test_a_layer_cannot_write_below_a_file() -> None:
    with pytest.raises(StoreError, match="as if it were a folder"):
        merged([file("a")], [file("a/b")])


def test_a_hard_link_shares_the_content_of_its_target_in_a_lower_layer() -> None:
    tree = merged([file("a", content=7)], [Node("b", NodeKind.HARDLINK, link="a")])
    assert (tree.placed["b"].node.content, origin(tree, "b")) == (7, "pool0")


def test_a_hard_link_to_nothing_is_an_error_that_names_both() -> None:
    with pytest.raises(StoreError) as caught:
        merged([Node("b", NodeKind.HARDLINK, link="gone")])
    assert caught.value.faults[0].at == "/b -> /gone"


def test_a_tree_on_disk_has_the_layers_contents_links_and_mount_points(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    lower = Archive().file("app/a", b"lower").file("app/b", b"kept").symlink("bin", "usr/bin").layer(store)
    upper = Archive().file("app/a", b"upper").hardlink("app/c", "app/b").layer(store)
    root = tmp_path / "tree"
    assert unpack_layers([lower, upper], store, root, own=False) == ()
    assert [(root / "app" / name).read_bytes() for name in "abc"] == [b"upper", b"kept", b"kept"]
    assert (root / "bin").readlink() == Path("usr/bin")
    assert {"dev", "proc", "sys", "tmp", "etc"} <= {path.name for path in root.iterdir()}
    assert (root / "etc/hosts").is_file()
    remove_tree(root)
    assert not root.exists()


def test_mount_points_of_the_image_are_left_alone(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = Archive().file("etc/hosts", b"mine").symlink("etc/resolv.conf", "/run/resolv.conf").layer(store)
    unpack_layers([layer], store, tmp_path / "tree", own=False)
    assert (tmp_path / "tree/etc/hosts").read_bytes() == b"mine"
    assert (tmp_path / "tree/etc/resolv.conf").is_symlink()


def test_a_stranger_s_permissions_become_the_owner_s(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    archive = Archive().file("open", b"", mode=0o644).file("closed", b"", mode=0o600).file("run", b"", mode=0o755)
    archive.file("theirs", b"", mode=0o604, gid=7).directory("secret", mode=0o700).directory("shared", mode=0o775)
    root = tmp_path / "tree"
    unpack_layers([archive.layer(store)], store, root, own=False)
    modes = {path.name: path.lstat().st_mode & 0o7777 for path in root.iterdir()}
    assert modes["open"] == 0o444
    assert modes["closed"] == 0
    assert modes["run"] == 0o555
    assert modes["theirs"] == 0o444
    assert modes["secret"] == 0
    assert modes["shared"] == 0o777
    remove_tree(root)


def test_setuid_bits_are_dropped(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = Archive().file("su", b"", mode=0o6755).directory("tmp", mode=0o1777).layer(store)
    unpack_layers([layer], store, tmp_path / "tree", own=False)
    assert (tmp_path / "tree/su").stat().st_mode & 0o7000 == 0
    assert (tmp_path / "tree/tmp").stat().st_mode & 0o7777 == 0o1777


def test_a_refused_image_leaves_nothing_behind(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = Archive().file("a", b"").file("a/b", b"").layer(store)
    with pytest.raises(StoreError):
        unpack_layers([layer], store, tmp_path / "tree", own=False)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert list((store.root / "trees").rglob("aside/*")) == []


def test_a_held_tree_is_made_once(tmp_path: Path, held: list[HeldTree]) -> None:
    store = store_at(tmp_path)
    layer = Archive().file("a", b"x").layer(store)
    said: list[str] = []
    held.extend(hold_tree([layer], store, own=False, progress=said.append) for _ in range(2))
    assert held[0].path == held[1].path
    assert held[0].path.name == layer.diff_id.hex
    assert len(said) == 1


def test_trees_unused_for_a_week_are_removed_unless_held(tmp_path: Path, held: list[HeldTree]) -> None:
    store = store_at(tmp_path)
    layers = [Archive().file("a", bytes([n])).layer(store) for n in range(3)]
    unused = hold_tree(layers[:1], store, own=False)
    unused.release()
    unused.release()
    held.append(hold_tree(layers[1:2], store, own=False))
    for lock in unused.path.parent.glob("*.lock"):
        os.utime(lock, (0, 0))
    held.append(hold_tree(layers[2:], store, own=False))
    assert not unused.path.exists()
    assert held[0].path.is_dir()


def test_what_is_left_out_is_said(tmp_path: Path, held: list[HeldTree]) -> None:
    store = store_at(tmp_path)
    said: list[str] = []
    held.append(hold_tree([Archive().device("dev/sda").layer(store)], store, own=False, progress=said.append))
    assert said[-1] == "left out /dev/sda: device files are not unpacked"


def test_a_tree_s_name_is_the_chain_id(tmp_path: Path, held: list[HeldTree]) -> None:
    store = store_at(tmp_path)
    layers = [Archive().file("a", bytes([n])).layer(store) for n in range(2)]
    held.append(hold_tree(layers, store, own=False))
    assert held[0].path.name == Digest.of(f"{layers[0].diff_id} {layers[1].diff_id}".encode()).hex
