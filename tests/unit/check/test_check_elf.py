from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.check.elf import ElfError, ElfFacts, read_elf
from tests.unit.check.elf_files import make_elf


class Counted(io.BytesIO):
    """Counts what is read, and how often it goes back."""

    taken = 0
    turns = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.turns += offset < self.tell()
        return super().seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_what_a_library_needs_is_read_in_order() -> None:
    facts = read_elf(io.BytesIO(make_elf(needed=["libgomp.so.1", "libc.so.6"], soname="libx.so.2", padding=5000)))
    assert facts == ElfFacts(
        machine="amd64", soname="libx.so.2", needed=("libgomp.so.1", "libc.so.6"), search=(), inherits=False
    )


def test_strings_of_any_size_are_read_where_names_are() -> None:
    content = make_elf(needed=["libgomp.so.1", "libc.so.6"], soname="libx.so.2", runpath="$ORIGIN", symbols=20 << 20)
    file = Counted(content)
    facts = read_elf(file)
    assert facts == ElfFacts(
        machine="amd64", soname="libx.so.2", needed=("libgomp.so.1", "libc.so.6"), search=("$ORIGIN",), inherits=False
    )
    assert file.taken < 1 << 20
    assert file.turns == 1  # from the dynamic section at the end to the strings before it


def test_what_cannot_be_read_still_says_its_processor() -> None:
    content = bytearray(make_elf(needed=["libc.so.6"], machine=183))
    struct.pack_into("<Q", content, 64 + 56 + 32, 1 << 40)
    with pytest.raises(ElfError) as caught:
        read_elf(io.BytesIO(bytes(content)))
    assert caught.value.machine == "arm64"
    with pytest.raises(ElfError) as caught:
        read_elf(io.BytesIO(b"MZ" + bytes(200)))
    assert caught.value.machine is None


def test_runpath_wins_over_rpath() -> None:
    facts = read_elf(io.BytesIO(make_elf(runpath="$ORIGIN/../x.libs:/opt/lib", rpath="/elsewhere")))
    assert facts.search == ("$ORIGIN/../x.libs", "/opt/lib")
    assert not facts.inherits
    assert read_elf(io.BytesIO(make_elf(rpath="$ORIGIN"))).inherits


def test_both_processors_are_told_apart() -> None:
    assert read_elf(io.BytesIO(make_elf(machine=183))).machine == "arm64"
    with pytest.raises(ElfError, match="processor"):
        read_elf(io.BytesIO(make_elf(machine=8)))


def test_the_libraries_of_this_machine_are_read() -> None:
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.rpartition(" ")[2]
        if "/libc.so.6" in path:
            with Path(path).open("rb") as file:
                assert read_elf(file).soname == "libc.so.6"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"MZ" + bytes(200),
        make_elf(needed=["a"])[:100],
        make_elf(needed=["a"])[:-8],
        b"\x7fELF\x01\x01" + make_elf()[6:],
        make_elf()[:54] + struct.pack("<H", 9) + make_elf()[56:],
        make_elf()[:56] + struct.pack("<H", 60000) + make_elf()[58:],
    ],
)
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(ElfError):
        read_elf(io.BytesIO(content))


def test_a_name_outside_the_strings_is_refused() -> None:
    content = make_elf(needed=["libc.so.6"])
    at = content.index(struct.pack("<qQ", 1, 1))
    with pytest.raises(ElfError, match="outside"):
        read_elf(io.BytesIO(content[:at] + struct.pack("<qQ", 1, 99999) + content[at + 16 :]))


def test_a_table_of_absurd_size_is_refused_unread() -> None:
    content = bytearray(make_elf(needed=["libc.so.6"]))
    struct.pack_into("<Q", content, 64 + 56 + 32, 1 << 40)
    with pytest.raises(ElfError, match="too large"):
        read_elf(io.BytesIO(bytes(content)))


@given(st.data())
def test_no_damage_does_more_than_raise(data: st.DataObject) -> None:
    content = bytearray(make_elf(needed=["libgomp.so.1"], soname="x", runpath="$ORIGIN"))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ElfError):
        read_elf(io.BytesIO(bytes(content[: data.draw(st.integers(0, len(content)))])))
