"""Zips no careful reader would unpack, and the odd ones every reader must."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.assemble import archive as archive_module
from builder.assemble import member as member_module
from builder.assemble.archive import read_archive
from builder.assemble.layer import write_layer
from builder.errors import DigestMismatchError, KilnError, PlanError
from builder.oci.entry import Entry
from builder.store.blobs import BlobStore
from tests.support.wheels import tree_of

TEXT = b"".join(b"value_%d = %d\n" % (number, number * number) for number in range(1000))


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def by_hand(
    name: bytes = b"a.py",
    data: bytes = TEXT,
    *,
    raw: bytes | None = None,
    method: int = 8,
    flags: int = 0,
    crc32: int | None = None,
    size: int | None = None,
    deflated_size: int | None = None,
    mode: int = 0o100644,
    local_name: bytes | None = None,
    local_method: int | None = None,
    local_crc32: int | None = None,
    descriptor: bool = False,
    times: int = 1,
) -> bytes:
    """Write a zip field by field (APPNOTE § 4.3)."""
    raw = raw_deflate(data) if raw is None else raw
    crc32 = zlib.crc32(data) if crc32 is None else crc32
    size = len(data) if size is None else size
    deflated_size = len(raw) if deflated_size is None else deflated_size
    flags |= 8 if descriptor else 0
    local = (0, 0, 0) if descriptor else (local_crc32 if local_crc32 is not None else crc32, deflated_size, size)
    seen = local_name or name
    body = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, local_method or method, 0, 33, *local, len(seen), 0) + seen + raw
    )
    if descriptor:
        body += struct.pack("<4s3L", b"PK\7\10", crc32, deflated_size, size)
    central = (
        struct.pack(
            "<4s4B4H3L5H2L",
            b"PK\1\2", 20, 3, 20, 0, flags, method, 0, 33, crc32, deflated_size, size, len(name), 0, 0, 0, 0,
            mode << 16, 0,
        )
        + name
    )  # fmt: skip
    return (
        body
        + central * times
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, times, times, len(central) * times, len(body), 0)
    )


REFUSED_AT_ONCE: dict[str, tuple[bytes, str]] = {
    "not a zip": (b"hello", "cannot be read as a zip"),
    "empty": (b"", "cannot be read as a zip"),
    "no end": (zipped({"a.py": TEXT})[:-30], "cannot be read as a zip"),
    "leaves the archive": (by_hand(b"../a.py"), "leaves the archive"),
    "leaves from within": (by_hand(b"a/../../b"), "leaves the archive"),
    "absolute": (by_hand(b"/etc/passwd"), "absolute"),
    "not in shortest form": (by_hand(b"a//b"), "shortest form"),
    "dot": (by_hand(b"./a.py"), "shortest form"),
    "backslash": (by_hand(b"..\\a.py"), "backslash"),
    "control character": (by_hand(b"a\nb.py"), "control character"),
    "hidden by a zero byte": (by_hand(b"a.py\0.txt"), "control character"),
    "very long name": (by_hand(b"a" * 256), "too long"),
    "encrypted": (by_hand(flags=1), "encrypted"),
    "a patch": (by_hand(flags=0x20), "patch"),
    "bzip2": (zipped({"a.py": TEXT}, method=zipfile.ZIP_BZIP2), "compression method 12"),
    "lzma": (zipped({"a.py": TEXT}, method=zipfile.ZIP_LZMA), "compression method 14"),
    "deflate64": (by_hand(method=9), "compression method 9"),
    "symbolic link": (by_hand(mode=0o120777), "symbolic link"),
    "the same name twice": (by_hand(times=2), "twice"),
    "stored with two sizes": (by_hand(method=0, raw=TEXT[:-1]), "two sizes"),
    "more than deflate can": (by_hand(size=1 << 30), "more than deflate can"),
}

REFUSED_WHEN_READ: dict[str, tuple[bytes, str]] = {
    "wrong CRC": (by_hand(crc32=1), "CRC"),
    "wrong CRC of a stored member": (by_hand(method=0, raw=TEXT, crc32=1), "CRC"),
    "shorter than it says": (by_hand(size=len(TEXT) + 1), "."),
    "longer than it says": (by_hand(size=len(TEXT) - 1), "."),
    "bytes after the stream": (by_hand(raw=raw_deflate(TEXT) + b"more"), "."),
    "stream cut short": (by_hand(raw=raw_deflate(TEXT)[:-3]), "."),
    "not deflate at all": (by_hand(raw=b"\xff" * 500), "."),
    "other name in the local header": (by_hand(local_name=b"b.py"), "contradict"),
    "other method in the local header": (by_hand(local_method=99), "contradict"),
    "other CRC in the local header": (by_hand(local_crc32=5), "contradict"),
    "larger than the archive": (by_hand(raw=raw_deflate(TEXT), deflated_size=100_000), "overlaps"),
}

UNUSUAL: dict[str, bytes] = {
    "data descriptor": by_hand(descriptor=True),
    "stored": by_hand(method=0, raw=TEXT),
    "not utf-8": by_hand("ä.py".encode("cp437")),
    "utf-8": by_hand("ä.py".encode(), flags=0x800),
    "bytes before the archive": b"#!/bin/sh\n" + zipped({"a.py": TEXT}),
    "comment": by_hand()[:-2] + b"\x05\x00hello",
}


def in_file(folder: Path, content: bytes) -> Path:
    path = folder / "x-1-py3-none-any.whl"
    path.write_bytes(content)
    return path


def link(path: Path, store: BlobStore) -> dict[str, tuple[str, int, bytes | str]]:
    members = read_archive(path)
    layer = write_layer([Entry.file(f"opt/{member.name}", member) for member in members], store, title="x")
    return tree_of(store, layer)


@pytest.fixture(params=["whole", "streamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read members in one piece, and as the largest are read."""
    if request.param == "streamed":
        monkeypatch.setattr(member_module, "_WHOLE", 0)
        monkeypatch.setattr(member_module, "_PIECE", 100)
        monkeypatch.setattr(member_module, "CHUNK", 333)


@pytest.mark.parametrize("case", REFUSED_AT_ONCE)
def test_a_bad_archive_is_refused(tmp_path: Path, case: str) -> None:
    content, says = REFUSED_AT_ONCE[case]
    with pytest.raises(PlanError, match=says) as caught:
        read_archive(in_file(tmp_path, content))
    assert caught.value.hint
    assert caught.value.faults[0].at == str(tmp_path / "x-1-py3-none-any.whl")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("case", REFUSED_WHEN_READ)
def test_bad_content_never_becomes_a_layer(tmp_path: Path, case: str) -> None:
    content, says = REFUSED_WHEN_READ[case]
    store = BlobStore(tmp_path / "store")
    with pytest.raises(DigestMismatchError, match=says) as caught:
        link(in_file(tmp_path, content), store)
    assert caught.value.faults[0].fact.startswith("x-1-py3-none-any.whl: a.py: ")
    assert not [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("case", UNUSUAL)
def test_an_unusual_archive_is_read(tmp_path: Path, case: str) -> None:
    tree = link(in_file(tmp_path, UNUSUAL[case]), BlobStore(tmp_path / "store"))
    [file] = [entry for path, entry in tree.items() if path.endswith(".py")]
    assert file == ("0", 0o644, TEXT)


@pytest.mark.usefixtures("way")
def test_zip64_is_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(zipfile.ZipInfo("a.py"), "w", force_zip64=True) as member:
            member.write(TEXT)
        with archive.open(zipfile.ZipInfo("b.py"), "w", force_zip64=True) as member:
            member.write(b"")
    tree = link(in_file(tmp_path, out.getvalue()), BlobStore(tmp_path / "store"))
    assert tree["opt/a.py"][2] == TEXT
    assert tree["opt/b.py"][2] == b""


def test_every_fault_of_an_archive_is_told_at_once(tmp_path: Path) -> None:
    path = in_file(tmp_path, zipped({"../a": b"", "/b": b"", "good.py": b"", "c\\d": b""}))
    with pytest.raises(PlanError) as caught:
        read_archive(path)
    assert len(caught.value.faults) == 3


def test_directories_are_left_out(tmp_path: Path) -> None:
    assert [member.name for member in read_archive(in_file(tmp_path, zipped({"d/": b"", "d/a.py": b""})))] == ["d/a.py"]


def test_only_regular_executables_are_executable(tmp_path: Path) -> None:
    def executable(mode: int) -> bool:
        return read_archive(in_file(tmp_path, by_hand(mode=mode)))[0].executable

    assert [executable(mode) for mode in (0o100755, 0o100644, 0o100100, 0o755, 0)] == [True, False, True, False, False]


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    """The bomb of many names for one piece of data (Fifield, 2019)."""
    one = by_hand()
    archive = bytearray(one)
    start = one.index(b"PK\1\2")
    central = bytearray(one[start : one.index(b"PK\5\6")])
    second = bytes(central).replace(b"a.py", b"b.py")
    content = bytes(archive[:start]) + bytes(central) + second
    content += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, 2 * len(central), start, 0)
    with pytest.raises(KilnError):
        link(in_file(tmp_path, content), BlobStore(tmp_path / "store"))


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_GROWTH_FLOOR", 1 << 20)
    with pytest.raises(PlanError, match="more than 100 times its size"):
        read_archive(in_file(tmp_path, zipped({"a": bytes(2 << 20), "b": bytes(2 << 20)})))


def _cut(content: bytes, at: int) -> bytes:
    return content[: at % len(content)]


def _flip(content: bytes, at: int) -> bytes:
    position = at % len(content)
    return content[:position] + bytes([content[position] ^ (1 + at % 255)]) + content[position + 1 :]


def _drop(content: bytes, at: int) -> bytes:
    position = at % len(content)
    return content[:position] + content[position + 1 + at % 7 :]


def _double(content: bytes, at: int) -> bytes:
    position = at % len(content)
    return content[:position] + content[position // 2 : position] + content[position:]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damages=st.lists(st.tuples(st.sampled_from([_cut, _flip, _drop, _double]), st.integers(0, 1 << 20)), max_size=3),
    small=st.integers(0, 3),
)
def test_a_damaged_archive_gives_the_right_bytes_or_a_foreseen_error(
    tmp_path: Path, damages: list[tuple[Callable[[bytes, int], bytes], int]], small: int
) -> None:
    noise = random.Random(small).randbytes(60)
    files = {"a.py": TEXT[: 400 * (small + 1)], "b/c.bin": noise, "empty": b""}
    content = zipped(files)
    for damage, at in damages:
        content = damage(content, at) if content else content
    store = BlobStore(tmp_path / "store")
    try:
        tree = link(in_file(tmp_path, content), store)
    except KilnError:
        return
    # Names are in no checksum, so damage may change one; what is under any name is whole.
    contents = {entry[2] for entry in tree.values() if entry[0] == "0"}
    assert contents <= set(files.values())
    assert all(path.startswith("opt") for path in tree)
