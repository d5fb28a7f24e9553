from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.assemble.header import BLOCK, END, header, padding
from builder.oci.entry import Entry, EntryKind, InlineContent
from builder.plan.model import EPOCH

PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda part: part not in (".", "..")
)
PATHS = st.lists(PART, min_size=1, max_size=12).map("/".join)


@dataclass(frozen=True)
class Huge:
    size: int

    def chunks(self) -> Iterator[bytes]:
        yield b""


def read_back(entry: Entry, data: bytes = b"") -> tarfile.TarInfo:
    archive = header(entry) + data + padding(len(data)) + END
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        [info] = tar.getmembers()
        return info


@given(PATHS, st.binary(max_size=1500))
def test_any_path_is_read_back_as_it_was(path: str, data: bytes) -> None:
    info = read_back(Entry.file(path, InlineContent(data)), data)
    assert (info.name, info.size, info.isreg()) == (path, len(data), True)


@given(PATHS, PATHS)
def test_any_link_is_read_back_as_it_was(path: str, target: str) -> None:
    info = read_back(Entry.symlink(path, target))
    assert (info.name, info.linkname, info.issym()) == (path, target, True)


@given(PATHS)
def test_headers_are_whole_blocks(path: str) -> None:
    assert len(header(Entry.directory(path))) % BLOCK == 0


def test_every_entry_carries_the_epoch_and_no_names() -> None:
    info = read_back(Entry.file("a", InlineContent(b"x")), b"x")
    assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (EPOCH, 0, 0, "", "")


def test_owners_and_modes_are_kept() -> None:
    info = read_back(Entry(path="tmp", kind=EntryKind.DIRECTORY, mode=0o1777, uid=10001, gid=7))
    assert (info.mode, info.uid, info.gid, info.isdir()) == (0o1777, 10001, 7, True)


def test_owners_beyond_ustar_are_kept() -> None:
    info = read_back(Entry(path="tmp", kind=EntryKind.DIRECTORY, mode=0o755, uid=2**31, gid=2**31 - 1))
    assert (info.uid, info.gid) == (2**31, 2**31 - 1)


def test_sizes_beyond_8_gib_are_kept() -> None:
    block = header(Entry.file("weights", Huge(9 << 30)))
    with tarfile.open(fileobj=io.BytesIO(block + bytes(BLOCK)), mode="r:") as tar:
        info = tar.next()
    assert info is not None
    assert info.size == 9 << 30


@pytest.mark.parametrize(
    ("path", "blocks"),
    [
        ("a" * 100, 1),
        ("a" * 101, 3),
        ("d" * 155 + "/" + "a" * 100, 1),
        ("d" * 156 + "/" + "a" * 100, 3),
        ("d" * 50 + "/" + "e" * 60 + "/" + "a" * 60, 1),
        ("ü", 3),
    ],
)
def test_pax_is_used_only_where_ustar_cannot_say_it(path: str, blocks: int) -> None:
    entry = Entry.file(path, InlineContent(b""))
    assert len(header(entry)) == blocks * BLOCK
    assert read_back(entry).name == path


def test_a_hard_link_names_its_target() -> None:
    info = read_back(Entry(path="b", kind=EntryKind.HARDLINK, mode=0o644, link="a"))
    assert (info.islnk(), info.linkname) == (True, "a")
