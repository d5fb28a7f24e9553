from __future__ import annotations

import gzip
import io

from hypothesis import given
from hypothesis import strategies as st

from builder.assemble.framing import StoredStream, deflated_member, stored_member


def framed(chunks: list[bytes]) -> bytes:
    out = io.BytesIO()
    stream = StoredStream(out.write)
    for chunk in chunks:
        stream.add(chunk)
    stream.end()
    return out.getvalue()


@given(st.binary(max_size=200_000))
def test_members_give_back_their_content(data: bytes) -> None:
    assert gzip.decompress(deflated_member(data)) == data
    assert gzip.decompress(stored_member(data)) == data


@given(st.lists(st.binary(max_size=70_000), max_size=6))
def test_a_stored_stream_does_not_depend_on_how_it_is_cut(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert framed(chunks) == framed([whole])
    assert gzip.decompress(framed(chunks)) == whole


def test_a_stored_stream_longer_than_its_buffer_is_whole() -> None:
    data = bytes(range(256)) * 4096 * 5
    assert gzip.decompress(framed([data[:3], data[3:70_000], data[70_000:]])) == data


def test_members_in_a_row_are_one_stream() -> None:
    assert gzip.decompress(deflated_member(b"a") + stored_member(b"b") + framed([b"c"])) == b"abc"


def test_a_small_stored_member_and_a_stream_are_the_same() -> None:
    assert framed([b"hello"]) == stored_member(b"hello")


def test_stored_framing_costs_almost_nothing() -> None:
    data = bytes(1 << 20)
    assert len(framed([data])) - len(data) < 120


def test_compressed_bytes_are_those_of_this_assembly_version() -> None:
    # They move only with the pinned release of libdeflate, and then ASSEMBLY_VERSION moves too.
    text = b"".join(b"line %d of a text\n" % number for number in range(40))
    assert deflated_member(text).hex() == (
        "1f8b08000000000000ff65d2bb0dc0201004d1dc555c09c0f13997e3004b480827042edfa97593be68b4da39569720cf2d97ecfeee63"
        "8ed5257a481ed443f6503c540fcd83793811c6d4084910856448815448831804cd2940b86f822824430aa4421ac42068d60089109e42"
        "2119522015d22006f9377ff3847cbec6020000"
    )
