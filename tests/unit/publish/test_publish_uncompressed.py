from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.digest import Digest
from builder.oci.media_type import MediaType
from builder.publish.uncompressed import DiffIdReader


def read(media_type: MediaType, blob: bytes, piece: int = 1 << 20) -> Digest | None:
    reader = DiffIdReader(media_type, len(blob))
    for start in range(0, len(blob), piece):
        reader.write(blob[start : start + piece])
    return reader.diff_id()


@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4), piece=st.integers(1, 50))
def test_gzip_members_are_read_as_one_tar_however_they_arrive(parts: list[bytes], piece: int) -> None:
    blob = b"".join(gzip.compress(part, mtime=0) for part in parts)
    assert read(MediaType.OCI_LAYER_GZIP, blob, piece) == Digest.of(b"".join(parts))


def test_a_tar_is_what_it_is() -> None:
    assert read(MediaType.DOCKER_LAYER_TAR, b"tar") == Digest.of(b"tar")


def test_what_cannot_be_unpacked_is_unknown() -> None:
    assert read(MediaType.OCI_LAYER_ZSTD, b"zstd") is None


def test_content_that_grows_a_thousandfold_is_read_in_pieces() -> None:
    content = bytes(50_000_000)
    assert read(MediaType.OCI_LAYER_GZIP, gzip.compress(content)) == Digest.of(content)


@pytest.mark.parametrize("blob", [b"nonsense", gzip.compress(b"x" * 100) + b"trailing", gzip.compress(b"x")[:-3], b""])
def test_damaged_gzip_is_an_error(blob: bytes) -> None:
    with pytest.raises(ValueError, match=r"not gzip|ends early"):
        read(MediaType.OCI_LAYER_GZIP, blob)
