import pytest

from builder.base.content import BlobSlice
from builder.errors import StoreError
from builder.oci.digest import Digest
from builder.store.blobs import BlobStore


def test_a_slice_is_read_in_chunks(store: BlobStore) -> None:
    data = bytes(range(256)) * 10_000
    blob = store.add(data)
    piece = BlobSlice(store, blob, 100, 2_000_000)
    assert piece.read() == data[100:2_000_100]
    assert len(list(piece.chunks())) == 2


def test_a_blob_that_became_shorter_is_an_error(store: BlobStore) -> None:
    with pytest.raises(StoreError, match="shorter"):
        BlobSlice(store, store.add(b"abc"), 1, 3).read()


def test_a_blob_that_is_gone_is_an_error(store: BlobStore) -> None:
    with pytest.raises(StoreError):
        BlobSlice(store, Digest.of(b"gone"), 0, 1).read()
