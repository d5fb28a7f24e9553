from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from builder.oci.digest import Digest
from builder.store import cache
from builder.store.blobs import BlobStore
from builder.store.cache import CacheEntry, CacheKind, choose, prune, survey
from builder.store.lease import Lease, oldest_lease
from builder.store.records import Records

WHEEL = b"PK\x03\x04 a wheel"
LAYER = b"\x1f\x8b a layer"
BASE = b"\x1f\x8b a base"
PACKAGE = b"!<arch>\n a package"
DOCUMENT = b'{"schemaVersion":2}'
BYTECODE = b"\xa7\r\r\n bytecode"


def entry(name: str, *, used: float, size: int = 10) -> CacheEntry:
    return CacheEntry(kind=CacheKind.LAYER, name=name, path=Path(name), size=size, used=used)


def names(entries: list[CacheEntry]) -> list[str]:
    return [one.name for one in entries]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    store = BlobStore(tmp_path / "store")
    for content in (WHEEL, LAYER, PACKAGE, DOCUMENT, BYTECODE):
        store.add(content)
    base = store.add(BASE)
    Records(store.root, "bases").put("debian", {"digest": str(base)})
    return store


def tree(store: BlobStore, name: str) -> Path:
    pool = store.root / "trees" / "owned" / "layers" / name
    (pool / "files").mkdir(parents=True)
    (pool / "files" / "0").write_bytes(b"four")
    return pool


def test_every_kind_of_thing_is_told_apart(store: BlobStore) -> None:
    tree(store, "abc")
    kinds = {one.name: (one.kind, one.size) for one in survey(store.root)}
    assert kinds[Digest.of(WHEEL).hex] == (CacheKind.WHEEL, len(WHEEL))
    assert kinds[Digest.of(LAYER).hex] == (CacheKind.LAYER, len(LAYER))
    assert kinds[Digest.of(BASE).hex] == (CacheKind.BASE, len(BASE))
    assert kinds[Digest.of(PACKAGE).hex] == (CacheKind.PACKAGE, len(PACKAGE))
    assert kinds[Digest.of(DOCUMENT).hex] == (CacheKind.DOCUMENT, len(DOCUMENT))
    assert kinds[Digest.of(BYTECODE).hex] == (CacheKind.BYTECODE, len(BYTECODE))
    assert kinds["layers/abc"] == (CacheKind.TREE, 4)
    assert [kind for kind, _ in kinds.values()].count(CacheKind.RECORD) == 1


def test_an_empty_store_holds_nothing(tmp_path: Path) -> None:
    assert survey(tmp_path / "none") == []


def test_what_is_being_written_is_no_entry(store: BlobStore) -> None:
    before = len(survey(store.root))
    with store.writer() as writer:
        writer.write(b"half")
        assert len(survey(store.root)) == before


def test_looking_is_no_use(store: BlobStore) -> None:
    before = {one.name: one.used for one in survey(store.root)}
    time.sleep(0.02)
    assert {one.name: one.used for one in survey(store.root)} == before


def test_what_is_asked_for_is_used_from_then_on(store: BlobStore) -> None:
    before = {one.name: one.used for one in survey(store.root)}
    time.sleep(0.02)
    assert BlobStore(store.root).has(Digest.of(LAYER))
    after = {one.name: one.used for one in survey(store.root)}
    assert {name for name in before if after[name] > before[name]} == {Digest.of(LAYER).hex}


def test_a_record_that_is_read_after_days_is_used(store: BlobStore) -> None:
    records = Records(store.root, "layers")
    records.put("key", 1)
    [path] = (store.root / "records" / "layers").iterdir()
    os.utime(path, (1_000_000, 1_000_000))
    assert records.get("key") == 1
    assert time.time() - path.stat().st_mtime < 3600


def test_what_was_not_used_for_long_goes() -> None:
    entries = [entry("old", used=10), entry("new", used=30)]
    assert names(choose(entries, unused_since=20, keep=None, in_use_since=None)) == ["old"]


def test_the_longest_unused_goes_until_the_rest_is_small_enough() -> None:
    entries = [entry("c", used=3), entry("a", used=1), entry("b", used=2)]
    assert names(choose(entries, unused_since=None, keep=15, in_use_since=None)) == ["a", "b"]
    assert names(choose(entries, unused_since=None, keep=30, in_use_since=None)) == []
    assert names(choose(entries, unused_since=None, keep=0, in_use_since=None)) == ["a", "b", "c"]


def test_age_and_size_are_both_minded() -> None:
    entries = [entry("a", used=1), entry("b", used=2), entry("c", used=3)]
    assert names(choose(entries, unused_since=2, keep=10, in_use_since=None)) == ["a", "b"]


def test_what_is_in_use_stays_whatever_is_asked() -> None:
    entries = [entry("before", used=1), entry("since", used=5)]
    assert names(choose(entries, unused_since=100, keep=0, in_use_since=5)) == ["before"]


def test_pruning_frees_what_it_says(store: BlobStore) -> None:
    would = prune(store.root, unused_since=time.time() + 1, keep=None, dry_run=True)
    assert len(would) == len(survey(store.root)) == 7
    assert prune(store.root, unused_since=time.time() + 1, keep=None) == would
    assert survey(store.root) == []
    assert not store.has(Digest.of(LAYER))


def test_a_store_that_was_emptied_works_on(store: BlobStore) -> None:
    prune(store.root, unused_since=None, keep=0)
    assert store.add(WHEEL) == Digest.of(WHEEL)
    assert store.has(Digest.of(WHEEL))


def test_a_running_kiln_keeps_what_it_has_used(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_TICK", 0.1)
    time.sleep(0.2)
    lease = Lease(store.root)
    assert BlobStore(store.root).has(Digest.of(LAYER))
    gone = prune(store.root, unused_since=time.time() + 1, keep=0)
    assert Digest.of(LAYER).hex not in names(gone)
    assert Digest.of(WHEEL).hex in names(gone)
    assert store.has(Digest.of(LAYER))
    lease.end()
    assert Digest.of(LAYER).hex in names(prune(store.root, unused_since=None, keep=0))


def test_ones_own_lease_keeps_nothing(store: BlobStore) -> None:
    lease = Lease(store.root)
    assert oldest_lease(store.root, besides=lease) is None
    prune(store.root, unused_since=None, keep=0, lease=lease)
    assert survey(store.root) == []
    lease.end()


def test_a_lease_ends_with_its_process_however_that_ends(store: BlobStore) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom builder.store.lease import Lease\n"
        "lease = Lease(Path(sys.argv[1]))\nprint('held', flush=True)\nsys.stdin.read()\nos.kill(os.getpid(), 9)"
    )
    argv = [sys.executable, "-c", code, str(store.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert oldest_lease(store.root) is not None
        process.communicate()
    assert oldest_lease(store.root) is None
    assert list((store.root / "leases").iterdir())
    prune(store.root, unused_since=0, keep=None)
    assert not list((store.root / "leases").iterdir())


def test_the_oldest_of_several_leases_counts(store: BlobStore) -> None:
    first = Lease(store.root)
    began = oldest_lease(store.root)
    second = Lease(store.root)
    assert oldest_lease(store.root) == began
    first.end()
    assert (oldest_lease(store.root) or 0) > (began or 0)
    second.end()


def test_unpacked_images_stay_while_anybody_works(store: BlobStore) -> None:
    pool = tree(store, "abc")
    lease = Lease(store.root)
    os.utime(pool, (1_000_000, 1_000_000))
    assert "layers/abc" not in names(prune(store.root, unused_since=time.time() + 1, keep=0))
    lease.end()
    assert "layers/abc" in names(prune(store.root, unused_since=time.time() + 1, keep=0))
    assert not pool.exists()


def test_a_blob_used_between_the_look_and_the_removal_stays(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose

    def use_meanwhile(*args: object, **named: object) -> list[CacheEntry]:
        result = chosen(*args, **named)  # type: ignore[arg-type]
        time.sleep(0.02)
        assert BlobStore(store.root).has(Digest.of(LAYER))
        return result

    monkeypatch.setattr(cache, "choose", use_meanwhile)
    assert Digest.of(LAYER).hex not in names(prune(store.root, unused_since=None, keep=0))
    assert store.has(Digest.of(LAYER))


def test_whoever_was_told_that_a_blob_is_there_can_read_it_while_others_prune(store: BlobStore) -> None:
    """The race itself, over and over: a build asks for blobs and reads them, a prune removes all it may."""
    contents = [b"PK blob %d" % number for number in range(20)]
    done = threading.Event()
    faults: list[str] = []

    def work() -> None:
        lease = Lease(store.root)
        try:
            for _ in range(40):
                mine = BlobStore(store.root)
                for content in contents:
                    digest = mine.add(content)
                    if mine.read(digest) != content:
                        faults.append(str(digest))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            faults.append(repr(error))
        finally:
            lease.end()
            done.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not done.is_set():
        prune(store.root, unused_since=time.time() + 1, keep=0)
    worker.join()
    assert not faults


def test_a_store_that_cannot_be_written_is_still_read(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builder.store.lease.os.open", refuse)
    assert BlobStore(store.root).has(Digest.of(LAYER))
    lease = Lease(store.root)
    lease.end()


def test_an_entry_is_a_json_value() -> None:
    one = replace(entry("abc", used=1.23456), size=7)
    assert json.loads(json.dumps(one.to_dict())) == {"kind": "layer", "name": "abc", "bytes": 7, "used": 1.235}
