"""What happens to the store and to layouts while others write, remove or are killed."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tree_archives import Archive, store_at

from builder.errors import StoreError
from builder.host import removal
from builder.oci.config import History
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.store import cache, lease
from builder.store.blobs import BlobStore
from builder.store.cache import CacheEntry, prune, survey
from builder.store.guard import lock_name
from builder.store.images import read_layout, read_steadily
from builder.store.layout import write_layout
from builder.store.lease import Lease
from builder.store.tree import discard_tree, hold_tree
from tests.support.synthetic import AMD64, synthetic_image

WEEKS_AGO = time.time() - 30 * 24 * 3600


def layer_of(store: BlobStore, content: bytes) -> Layer:
    return Archive().file("app/model", content).file("app/more", content * 2).layer(store)


def merged(store: BlobStore) -> Path:
    return next((store.root / "trees").glob("*/merged"))


def told(image: Image) -> Image:
    """Return an image that says what its layers hold, as kiln's do."""
    return replace(image, config=replace(image.config, history=(History(created_by="kiln: model"),)))


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have this process end where it would take a tree apart."""

    def end(_: Path) -> None:
        raise KeyboardInterrupt

    def kill() -> None:
        monkeypatch.setattr(removal, "remove_tree", end)

    return kill


def test_a_tree_whose_removal_is_killed_has_no_name_any_more(tmp_path: Path, killed: Callable[[], None]) -> None:
    store = store_at(tmp_path)
    layer = layer_of(store, b"weights")
    tree = hold_tree([layer], store, own=False)
    tree.release()
    pool = next((store.root / "trees").glob("*/layers/*"))
    killed()
    for path in (tree.path, pool):
        with pytest.raises(KeyboardInterrupt):
            discard_tree(path)
        assert not path.exists()
    again = hold_tree([layer], store, own=False)
    assert (again.path / "app/model").read_bytes() == b"weights"
    again.release()


def test_what_a_killed_removal_left_goes_with_the_next_prune(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    hold_tree([layer_of(store, b"weights")], store, own=False).release()
    home = merged(store)
    left = [home / ".tree-0123", home.parent / "layers" / ".tree-0123", home.parent / "aside" / "tmp0123"]
    for path in left:
        path.mkdir()
        (path / "part").write_bytes(b"half")
    aside = store.root / "records" / "layers" / ".abc-01234567"
    aside.parent.mkdir(parents=True)
    aside.write_bytes(b"half")
    os.utime(aside, (WEEKS_AGO, WEEKS_AGO))
    working = Lease(store.root)
    prune(store.root, unused_since=0, keep=None)
    assert all(path.exists() for path in left)  # somebody may be at it
    working.end()
    prune(store.root, unused_since=0, keep=None)
    assert not any(path.exists() for path in (*left, aside))


def test_an_unpacked_layer_that_cannot_be_read_is_made_again(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    layer = layer_of(store, b"weights")
    hold_tree([layer], store, own=False).release()
    discard_tree(next(path for path in merged(store).iterdir() if path.is_dir()))
    pool = next((store.root / "trees").glob("*/layers/*"))
    (pool / "index.json").unlink()
    for file in (pool / "files").iterdir():
        file.unlink()
    tree = hold_tree([layer], store, own=False)
    assert (tree.path / "app/model").read_bytes() == b"weights"
    tree.release()


def test_trees_that_are_made_at_once_forget_old_ones_together(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    hold_tree([layer_of(store, b"first")], store, own=False).release()
    home = merged(store)
    for number in range(60):
        (home / f"{number:064x}" / "app").mkdir(parents=True)
        guard = home / f"{number:064x}.lock"
        guard.touch()
        os.utime(guard, (WEEKS_AGO, WEEKS_AGO))
    layers = [layer_of(store, b"%d" % number) for number in range(6)]
    with ThreadPoolExecutor(6) as workers:
        for tree in workers.map(lambda layer: hold_tree([layer], store, own=False), layers):
            assert (tree.path / "app/model").is_file()
            tree.release()
    assert len([path for path in home.iterdir() if path.is_dir()]) == 7


def test_a_lock_that_was_waited_for_is_of_the_file_that_has_the_name(tmp_path: Path) -> None:
    path = tmp_path / "tree.lock"
    first = lock_name(path, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as waiting:
        second = waiting.submit(lock_name, path, fcntl.LOCK_SH)
        time.sleep(0.1)
        path.unlink()
        os.close(first)
        held = second.result(timeout=10)
    assert os.fstat(held).st_ino == path.stat().st_ino
    with pytest.raises(BlockingIOError):
        lock_name(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held)


def test_what_a_build_begins_to_use_during_a_prune_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(tmp_path)
    used, unused = store.add(b"PK used"), store.add(b"PK unused")
    time.sleep(0.1)
    begun: list[Lease] = []

    def begin_and_survey(root: Path) -> list[CacheEntry]:
        begun.append(Lease(root))
        assert BlobStore(root).has(used)
        return survey(root)

    monkeypatch.setattr(cache, "survey", begin_and_survey)
    monkeypatch.setattr(cache, "_TICK", 0.02)  # as coarse as the clock of a file system may be
    prune(store.root, unused_since=None, keep=0)
    assert store.path(used).exists()
    assert not store.path(unused).exists()
    begun[0].end()


def test_nothing_is_removed_while_somebody_works_who_cannot_leave_a_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_at(tmp_path)
    store.add(b"PK wheel")
    Lease(store.root).end()
    opened = os.open

    def refuse(path: str | Path, *given: int, **named: int) -> int:
        if Path(path).parent.name == "leases":
            raise PermissionError(13, "Permission denied")
        return opened(path, *given, **named)

    monkeypatch.setattr(os, "open", refuse)
    stranger = Lease(store.root)
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(lease, "_PATIENCE", 0.05)
    with pytest.raises(StoreError, match="another user works with the store"):
        prune(store.root, unused_since=None, keep=0)
    assert survey(store.root)
    stranger.end()
    prune(store.root, unused_since=None, keep=0)
    assert not survey(store.root)


def test_what_goes_while_the_store_is_looked_through_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_at(tmp_path)
    gone, stays = store.add(b"PK gone"), store.add(b"PK stays")
    kind_of = cache._kind_of

    def vanish(path: Path) -> object:
        if path.name == gone.hex:
            path.unlink()
        return kind_of(path)

    monkeypatch.setattr(cache, "_kind_of", vanish)
    assert [entry.name for entry in survey(store.root)] == [stays.hex]


def test_a_damaged_blob_that_somebody_else_removes_is_just_not_there(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    assert not store.verify(Digest.of(b"never there"))


def test_a_layout_is_read_whole_while_it_is_replaced(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    images = [told(synthetic_image(store, seed, size=100)) for seed in "ab"]
    layout = tmp_path / "layout"
    write_layout(store, images[:1], layout, tag="1")
    done = threading.Event()

    def keep_writing() -> None:
        while not done.is_set():
            for image in images:
                write_layout(store, [image], layout, tag="1")

    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(keep_writing)
        try:
            read = {read_layout(layout, AMD64).image_id for _ in range(500)}
        finally:
            done.set()
        writing.result()
    assert read <= {image.image_id for image in images}


def test_reading_goes_on_while_the_layout_is_another_one(tmp_path: Path) -> None:
    layouts = [tmp_path / str(number) for number in range(30)]
    for layout in layouts:
        layout.mkdir()
    place = tmp_path / "layout"

    def read() -> str:
        place.unlink(missing_ok=True)
        layouts.pop()
        if layouts:
            place.symlink_to(layouts[-1])
            raise FileNotFoundError
        return "read"

    assert read_steadily(place, read) == "read"


def test_reading_gives_up_on_what_is_never_there(tmp_path: Path) -> None:
    asked: list[int] = []

    def read() -> None:
        asked.append(1)
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        read_steadily(tmp_path, read)
    assert 1 < len(asked) < 10
