from __future__ import annotations

import errno
import gzip
import io
import os
import random
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.assemble import layer as layer_module
from builder.assemble.archive import read_archive
from builder.assemble.layer import Compression, write_layer
from builder.errors import DigestMismatchError, PlanError, StoreError
from builder.oci.digest import Digest
from builder.oci.entry import Entry, InlineContent
from builder.oci.media_type import MediaType
from builder.store import blobs
from builder.store.blobs import BlobStore
from tests.support.wheels import make_wheel, tar_of, tree_of


@dataclass(frozen=True)
class Pieces:
    """Content that comes in pieces of a given size."""

    data: bytes
    piece: int
    claimed: int | None = None

    @property
    def size(self) -> int:
        return len(self.data) if self.claimed is None else self.claimed

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), self.piece):
            yield self.data[start : start + self.piece]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def left_in(store: BlobStore) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def some_entries() -> list[Entry]:
    rng = random.Random(7)
    return [
        Entry.file("etc/hosts", InlineContent(b"localhost")),
        Entry.file("usr/bin/tool", InlineContent(b"#!/bin/sh\n"), mode=0o755),
        Entry.symlink("bin", "usr/bin"),
        Entry.directory("tmp", mode=0o1777),
        Entry.file("empty", InlineContent(b"")),
        Entry.file("noise", InlineContent(rng.randbytes(300_000))),
        Entry.file("text", InlineContent(b"the same line\n" * 200_000)),
    ]


def test_the_standard_library_reads_a_layer(store: BlobStore) -> None:
    layer = write_layer(some_entries(), store, title="x")
    tree = tree_of(store, layer)
    assert tree["etc"] == ("5", 0o755, "")
    assert tree["etc/hosts"] == ("0", 0o644, b"localhost")
    assert tree["usr/bin/tool"] == ("0", 0o755, b"#!/bin/sh\n")
    assert tree["bin"] == ("2", 0o777, "usr/bin")
    assert tree["tmp"] == ("5", 0o1777, "")
    assert tree["text"][2] == b"the same line\n" * 200_000


@pytest.mark.parametrize("compression", Compression)
def test_gnu_tar_and_gzip_read_a_layer(store: BlobStore, tmp_path: Path, compression: Compression) -> None:
    layer = write_layer(some_entries(), store, title="x", compression=compression)
    blob = store.path(layer.descriptor.digest)
    gzip_program, tar_program = shutil.which("gzip"), shutil.which("tar")
    assert gzip_program
    assert tar_program
    subprocess.run([gzip_program, "--test", "--stdout"], stdin=blob.open("rb"), stdout=subprocess.DEVNULL, check=True)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([tar_program, "-xzf", str(blob), "-C", str(out)], check=True)
    assert (out / "bin").readlink() == Path("usr/bin")
    assert (out / "text").read_bytes() == b"the same line\n" * 200_000
    assert (out / "usr/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (out / "empty").stat().st_mtime == 946_684_800


def test_a_layer_names_its_own_bytes(store: BlobStore) -> None:
    layer = write_layer(some_entries(), store, title="what it holds")
    blob = store.read(layer.descriptor.digest)
    assert layer.descriptor.media_type is MediaType.OCI_LAYER_GZIP
    assert (Digest.of(blob), len(blob)) == (layer.descriptor.digest, layer.descriptor.size)
    assert Digest.of(gzip.decompress(blob)) == layer.diff_id
    assert layer.title == "what it holds"


def test_layer_bytes_ignore_the_order_of_entries(store: BlobStore) -> None:
    entries = some_entries()
    assert write_layer(entries, store, title="x") == write_layer(entries[::-1], store, title="x")


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("size", [10, 65_535, 3_000_000])
def test_layer_bytes_ignore_the_pieces_content_comes_in(
    store: BlobStore, compression: Compression, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_module, "LARGE", 2_000_000)
    data = random.Random(3).randbytes(size)
    layers = {
        write_layer([Entry.file("a", Pieces(data, piece))], store, title="x", compression=compression).descriptor.digest
        for piece in (size, 1 << 20, 70_001, 4096)
        if size < 100_000 or piece > 4096
    }
    assert len(layers) == 1


def test_compression_changes_the_blob_but_not_the_diff_id(store: BlobStore) -> None:
    deflated = write_layer(some_entries(), store, title="x")
    stored = write_layer(some_entries(), store, title="x", compression=Compression.STORE)
    assert deflated.diff_id == stored.diff_id
    assert deflated.descriptor.size < stored.descriptor.size


def test_large_files_are_stored_and_hashed_flat_in_memory(store: BlobStore) -> None:
    class Zeros:
        size = 200 << 20

        def chunks(self) -> Iterator[bytes]:
            chunk = bytes(1 << 20)
            for _ in range(200):
                yield chunk

    tracemalloc.start()
    layer = write_layer([Entry.file("weights", Zeros())], store, title="x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert layer.descriptor.size > 200 << 20
    assert peak < 20 << 20


def test_wheel_members_are_taken_over_as_they_are(store: BlobStore, tmp_path: Path) -> None:
    text = b"".join(b"value_%d = %d\n" % (number, number * number) for number in range(2000))
    wheel = make_wheel(tmp_path, {"demo/big.py": text, "demo/small.py": b"x = 1\n"})
    members = read_archive(wheel)
    layer = write_layer([Entry.file(member.name, member) for member in members], store, title="x")
    [big] = [member for member in members if member.name == "demo/big.py"]
    assert b"".join(big.deflated_chunks()) in store.read(layer.descriptor.digest)
    assert tree_of(store, layer)["demo/big.py"][2] == text


def test_content_of_another_size_than_it_says_makes_no_layer(store: BlobStore) -> None:
    for claimed in (4, 6):
        with pytest.raises(PlanError):
            write_layer([Entry.file("a", Pieces(b"12345", 5, claimed))], store, title="x")
    assert left_in(store) == []


def test_content_that_fails_makes_no_layer(store: BlobStore) -> None:
    class Failing:
        size = 10_000_000

        def chunks(self) -> Iterator[bytes]:
            yield bytes(5_000_000)
            raise DigestMismatchError.of("not what was locked")

    with pytest.raises(DigestMismatchError):
        write_layer([Entry.file("a", Failing())], store, title="x")
    assert left_in(store) == []


def test_an_interrupt_leaves_no_blob(store: BlobStore) -> None:
    class Interrupted:
        size = 10_000_000

        def chunks(self) -> Iterator[bytes]:
            yield bytes(5_000_000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layer([Entry.file("a", Interrupted())], store, title="x")
    assert left_in(store) == []


def test_a_full_disk_leaves_no_blob_and_says_so(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk(io.BytesIO):
        def write(self, chunk: Any) -> int:
            if self.tell() + len(chunk) > 2_000_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(chunk)

    class Full(blobs.BlobWriter):
        def __init__(self, _file: Any, *rest: Any) -> None:
            super().__init__(Disk(), *rest)

    monkeypatch.setattr(blobs, "BlobWriter", Full)
    with pytest.raises(StoreError) as caught:
        write_layer(
            [Entry.file("a", InlineContent(random.Random(1).randbytes(5_000_000)))],
            store,
            title="x",
        )
    assert "No space left" in caught.value.faults[0].fact
    assert caught.value.hint
    assert left_in(store) == []


def test_a_layer_without_entries_is_an_empty_tar(store: BlobStore) -> None:
    assert tar_of(store, write_layer([], store, title="x")) == bytes(1024)
