from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from builder.errors import DigestMismatchError, StoreError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.store import blobs
from builder.store.blobs import BlobStore

FULL = Path("/dev/full")


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def left_aside(store: BlobStore) -> list[Path]:
    return list((store.root / "aside").iterdir())


def test_a_blob_is_found_by_its_digest(store: BlobStore) -> None:
    digest = store.add(b"content")
    assert digest == Digest.of(b"content")
    assert store.has(digest)
    assert store.size(digest) == 7
    assert store.read(digest) == b"content"
    assert b"".join(store.chunks(digest, offset=3)) == b"tent"
    assert not left_aside(store)


def test_large_blobs_are_read_in_pieces(store: BlobStore) -> None:
    digest = store.add(b"x" * (2 * CHUNK + 1))
    assert [len(chunk) for chunk in store.chunks(digest)] == [CHUNK, CHUNK, 1]


def test_a_blob_cannot_be_changed_by_accident(store: BlobStore) -> None:
    assert store.path(store.add(b"content")).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("act", ["size", "read", "chunks"])
def test_a_missing_blob_is_an_error_that_names_it(store: BlobStore, act: str) -> None:
    digest = Digest.of(b"none")
    with pytest.raises(StoreError, match="cannot read blob") as caught:
        list(getattr(store, act)(digest)) if act == "chunks" else getattr(store, act)(digest)
    assert caught.value.faults[0].at == str(store.path(digest))


def test_other_bytes_than_expected_are_not_kept(store: BlobStore) -> None:
    expected = Digest.of(b"right")
    with (
        pytest.raises(DigestMismatchError, match="wheel a does not have the bytes") as caught,
        store.writer(expected=expected, what="wheel a") as writer,
    ):
        writer.write(b"wrong")
    assert (caught.value.faults[0].want, caught.value.faults[0].got) == (str(expected), str(Digest.of(b"wrong")))
    assert not store.has(expected)
    assert not store.has(Digest.of(b"wrong"))
    assert not left_aside(store)


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("x"), ConnectionResetError(), OSError(5, "x")])
def test_an_interrupted_write_keeps_nothing_and_stays_what_it_is(store: BlobStore, failure: BaseException) -> None:
    def write() -> None:
        with store.writer() as writer:
            writer.write(b"part")
            raise failure

    with pytest.raises(type(failure)) as caught:
        write()
    assert caught.value is failure
    assert not store.has(Digest.of(b"part"))
    assert not left_aside(store)


@pytest.mark.parametrize("size", [10, 1 << 22])
def test_a_full_disk_is_an_error_with_a_remedy_and_nothing_is_kept(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    real = os.fdopen

    def fdopen(descriptor: int, mode: str) -> object:
        os.close(descriptor)
        return real(os.open(FULL, os.O_WRONLY), mode)

    monkeypatch.setattr(blobs.os, "fdopen", fdopen)
    with pytest.raises(StoreError, match="No space left on device") as caught, store.writer() as writer:
        writer.write(b"x" * size)
    assert "KILN_HOME" in (caught.value.hint or "")
    assert not left_aside(store)
    assert not list((store.root / "blobs/sha256").iterdir())


def test_a_store_that_may_not_be_written_is_an_error_with_a_remedy(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match="Permission denied") as caught:
        store.add(b"x")
    assert "may write to" in (caught.value.hint or "")


def test_a_store_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write to the store"):
        BlobStore(tmp_path / "file").add(b"x")


def test_a_file_is_copied_in(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    digest = store.add_file(tmp_path / "model.bin", expected=Digest.of(b"weights"))
    assert store.read(digest) == b"weights"
    with pytest.raises(DigestMismatchError, match=r"model\.bin"):
        store.add_file(tmp_path / "model.bin", expected=Digest.of(b"other"))
    with pytest.raises(StoreError, match="cannot read"):
        store.add_file(tmp_path / "none.bin")


def test_export_links_and_leaves_what_is_there(store: BlobStore, tmp_path: Path) -> None:
    digest = store.add(b"content")
    target = tmp_path / "deep" / "er" / "blob"
    store.export(digest, target)
    assert target.stat().st_ino == store.path(digest).stat().st_ino
    store.export(digest, target)
    assert target.read_bytes() == b"content"


def test_export_copies_where_links_cannot_be_made(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(blobs.os, "link", refuse)
    digest = store.add(b"content")
    store.export(digest, tmp_path / "out" / "blob")
    assert (tmp_path / "out" / "blob").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["blob"]


def test_export_at_the_moment_another_process_did_is_no_fault(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.add(b"content")
    target = tmp_path / "blob"
    real = os.link

    def link(source: Path, destination: Path) -> None:
        real(source, destination)
        real(source, destination)

    monkeypatch.setattr(blobs.os, "link", link)
    store.export(digest, target)
    assert target.read_bytes() == store.read(digest) == b"content"


def test_a_damaged_blob_is_found_and_removed(store: BlobStore) -> None:
    digest = store.add(b"content")
    assert store.verify(digest)
    store.path(digest).chmod(0o644)
    store.path(digest).write_bytes(b"c0ntent")
    assert not store.verify(digest)
    assert not store.has(digest)


def test_threads_may_write_the_same_blob_at_once(store: BlobStore) -> None:
    content = [bytes([number % 4]) * 100_000 for number in range(16)]
    threads = [threading.Thread(target=store.add, args=(blob,)) for blob in content]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.verify(Digest.of(blob)) for blob in content)
    assert not left_aside(store)


def _add_many(root: Path) -> None:
    for number in range(40):
        BlobStore(root).add(bytes([number]) * 10_000)


def test_processes_may_share_a_store(store: BlobStore) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_many, args=(store.root,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert all(store.verify(Digest.of(bytes([number]) * 10_000)) for number in range(40))
    assert not left_aside(store)


def test_a_blob_that_was_written_to_is_read_again_before_it_counts(store: BlobStore) -> None:
    digest = store.add(b"content")
    store.path(digest).chmod(0o644)
    store.path(digest).write_bytes(b"content")
    assert store.has(digest)
    store.path(digest).write_bytes(b"CONTENT")
    assert not store.has(digest)
    assert not store.path(digest).exists(), "whoever needs it makes it anew"
    assert store.add(b"content") == digest
    assert store.has(digest)


def test_a_blob_cut_short_is_not_here(store: BlobStore) -> None:
    digest = store.add(b"content")
    os.truncate(store.path(digest), 3)
    assert not store.has(digest)


def test_whole_blobs_are_not_read_to_tell_that_they_are_here(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.add(b"content")
    monkeypatch.setattr(BlobStore, "verify", lambda *_: pytest.fail("was read"))
    assert store.has(digest)


def test_what_a_killed_build_left_is_swept_and_what_is_being_written_stays(store: BlobStore) -> None:
    aside = store.root / "aside"
    with store.writer() as writer:
        writer.write(b"content")
        (held,) = aside.iterdir()
        for name, age in {"fresh": 1, "orphan": 3600, held.name: 3600}.items():
            (aside / name).touch()
            os.utime(aside / name, (time.time() - age,) * 2)
        for name, age in {"folder": 3600, "old-folder": 100_000}.items():
            (aside / name).mkdir()
            os.utime(aside / name, (time.time() - age,) * 2)
        store.sweep()
        assert {path.name for path in aside.iterdir()} == {"fresh", "folder", held.name}
    assert store.has(writer.digest)


def test_a_blob_about_to_get_its_name_stays_and_one_that_never_got_it_goes(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def sweep_and_replace(aside: Path, target: Path) -> Path:
        BlobStore(store.root).sweep()
        os.link(aside, store.root / "aside" / "left")
        return replace(aside, target)

    monkeypatch.setattr(Path, "replace", sweep_and_replace)
    assert store.read(store.add(b"content")) == b"content"
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    store.sweep()
    assert list((store.root / "aside").iterdir()) == []


def test_a_lent_folder_is_gone_however_its_use_ends(store: BlobStore) -> None:
    for failure in (None, ValueError(), KeyboardInterrupt()):
        with suppress(ValueError, KeyboardInterrupt), store.folder("work") as folder:
            (folder / "inner").mkdir()
            (folder / "inner" / "file").touch()
            if failure:
                raise failure
        assert list((store.root / "aside").iterdir()) == []


def test_a_lent_folder_is_gone_when_even_its_removal_was_interrupted(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree
    interruptions = iter([KeyboardInterrupt()])

    def rmtree(path: Path, *, ignore_errors: bool) -> None:
        for interruption in interruptions:
            raise interruption
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(KeyboardInterrupt), store.folder("work") as folder:
        (folder / "file").touch()
    assert not folder.exists()


def test_a_lent_folder_of_a_killed_process_is_swept_and_one_in_use_stays(store: BlobStore) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path; from builder.store.blobs import BlobStore\n"
        "with BlobStore(Path(sys.argv[1])).folder('work'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, store.root], check=False)
    (left,) = (store.root / "aside").iterdir()
    with store.folder("work") as used:
        for path in (left, used):
            os.utime(path, (time.time() - 3600,) * 2)
        store.sweep()
        assert not left.exists()
        assert used.exists()


def test_a_store_without_anything_aside_is_swept_quietly(store: BlobStore) -> None:
    store.sweep()
