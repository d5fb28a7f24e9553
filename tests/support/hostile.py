"""Archives nobody careful unpacks, made field by field; and ways to damage good ones, the same each time."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import lzma
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.oci.digest import Digest

MEMBER = b"".join(b"value_%d = %d\n" % (number, number * number) for number in range(400))
INFO = "demo-1.0.dist-info"
FILENAME = "demo-1.0-py3-none-any.whl"


# --- zip, as APPNOTE § 4.3 has it


@dataclass(frozen=True, kw_only=True)
class Part:
    """A member of a zip. What is not given follows from ``data``; what is, is written as it is, true or not."""

    name: bytes
    data: bytes = MEMBER
    method: int = 8
    raw: bytes | None = None
    flags: int = 0
    crc32: int | None = None
    size: int | None = None
    deflated_size: int | None = None
    mode: int = 0o100644
    local_name: bytes | None = None
    local_crc32: int | None = None
    extra: bytes = b""
    is_zip64: bool = False
    has_descriptor: bool = False
    offset: int | None = None
    times: int = 1


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def zip_of(*parts: Part, before: bytes = b"", comment: bytes = b"") -> bytes:
    """Write a zip."""
    body, central, count = before, b"", 0
    for part in parts:
        raw = part.raw
        if raw is None:
            raw = deflated(part.data) if part.method == 8 else part.data
        crc32 = zlib.crc32(part.data) if part.crc32 is None else part.crc32
        size = len(part.data) if part.size is None else part.size
        deflated_size = len(raw) if part.deflated_size is None else part.deflated_size
        flags = part.flags | (8 if part.has_descriptor else 0)
        offset = len(body) if part.offset is None else part.offset
        extra, sizes = part.extra, (deflated_size, size)
        if part.is_zip64:
            extra, sizes = struct.pack("<2H2Q", 1, 16, size, deflated_size) + extra, (0xFFFFFFFF, 0xFFFFFFFF)
        seen = part.name if part.local_name is None else part.local_name
        local = (0, 0, 0) if part.has_descriptor else (crc32 if part.local_crc32 is None else part.local_crc32, *sizes)
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, part.method, 0, 33, *local, len(seen), len(extra))
        body += head + seen + extra + raw
        if part.has_descriptor:
            body += struct.pack("<4s3L", b"PK\7\10", crc32, deflated_size, size)
        entry = struct.pack(
            "<4s4B4H3L5H2L",
            *(b"PK\1\2", 20, 3, 20, 0, flags, part.method, 0, 33, crc32, *sizes, len(part.name), len(extra)),
            *(0, 0, 0, part.mode << 16, offset),
        )
        central += (entry + part.name + extra) * part.times
        count += part.times
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(central), len(body), len(comment))
    return body + central + end + comment


def wheel_of(*parts: Part, record: str | None = None, before: bytes = b"", entry_points: str = "") -> bytes:
    """Write a wheel of the package ``demo`` that is in order but for what these parts do."""
    good = [
        Part(name=b"demo/__init__.py", data=b"answer = 42\n"),
        Part(name=f"{INFO}/METADATA".encode(), data=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"),
        Part(name=f"{INFO}/WHEEL".encode(), data=b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ]
    if entry_points:
        good.append(Part(name=f"{INFO}/entry_points.txt".encode(), data=entry_points.encode()))
    rows = [f"{part.name.decode()},sha256={_base64(part.data)},{len(part.data)}\n" for part in good]
    text = "".join([*rows, f"{INFO}/RECORD,,\n"]) if record is None else record
    return zip_of(*good, *parts, Part(name=f"{INFO}/RECORD".encode(), data=text.encode()), before=before)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


_GOOD = Part(name=b"demo/more.py")


def hostile_wheels() -> dict[str, bytes]:
    """Return wheels that must never become a layer, by what is wrong with them."""
    whole, many = wheel_of(_GOOD), bytes(80 << 20)
    zeros = Part(name=b"demo/zeros.bin", data=many, raw=deflated(many))
    names = {
        "an absolute path": b"/kiln-was-here.py",
        "a path that leaves": b"../kiln-was-here.py",
        "a path that leaves from within": b"demo/../../kiln-was-here.py",
        "a path that leaves by a scheme": b"demo-1.0.data/scripts/../../../kiln-was-here",
        "a path that leaves by backslashes": b"..\\..\\kiln-was-here.py",
        "a drive's path": b"C:\\kiln-was-here.py",
        "a path with a zero byte": b"demo/a.py\0.txt",
        "a path with a newline": b"demo/a\nb.py",
        "a path that is too long": b"demo/" + b"a" * 300,
        "an unknown scheme": b"demo-1.0.data/etc/passwd",
        "another package's files": b"other-1.0.dist-info/METADATA",
    }
    return {
        **{f"cut after {share} %": whole[: len(whole) * share // 100] for share in (1, 20, 50, 80, 99)},
        **{case: wheel_of(Part(name=name)) for case, name in names.items()},
        "nothing": b"",
        "no zip": b"hello" * 100,
        "a name that is no text": wheel_of(Part(name=b"demo/\xff\xfe.py", flags=0x800)),
        "a bomb": wheel_of(zeros),
        "a bomb that says it is small": wheel_of(replace(zeros, size=10)),
        "a bomb of overlapping members": wheel_of(
            *(replace(_GOOD, name=b"demo/%d.py" % number, offset=0) for number in range(50))
        ),
        "a size no deflate stream can have": wheel_of(replace(_GOOD, size=1 << 31)),
        "a name twice": wheel_of(replace(_GOOD, times=2)),
        "two files of one name": wheel_of(_GOOD, replace(_GOOD, data=b"other = 1\n")),
        "a file that is also a folder": wheel_of(Part(name=b"demo/a"), Part(name=b"demo/a/b.py")),
        "two ways to one path": wheel_of(_GOOD, Part(name=b"demo-1.0.data/purelib/demo/more.py", data=b"x = 1\n")),
        "a symbolic link": wheel_of(Part(name=b"demo/link", data=b"/etc", mode=0o120777)),
        "a file below a symbolic link": wheel_of(
            Part(name=b"demo/link", data=b"/tmp", mode=0o120777),
            Part(name=b"demo/link/kiln-was-here.py"),
        ),
        "a wrong CRC": wheel_of(replace(_GOOD, crc32=1)),
        "a wrong CRC of a stored member": wheel_of(replace(_GOOD, method=0, crc32=1)),
        "two CRCs": wheel_of(replace(_GOOD, local_crc32=1)),
        "two names": wheel_of(replace(_GOOD, local_name=b"demo/evil.py")),
        "a wrong hash in RECORD": wheel_of(_GOOD, record=f"demo/more.py,sha256={_base64(b'')},{len(MEMBER)}\n"),
        "a wrong size in RECORD": wheel_of(_GOOD, record=f"demo/more.py,sha256={_base64(MEMBER)},7\n"),
        "a RECORD that is no table": wheel_of(_GOOD, record='"demo/more.py,sha256=\n'),
        "shorter than it says": wheel_of(replace(_GOOD, size=len(MEMBER) + 1)),
        "longer than it says": wheel_of(replace(_GOOD, size=len(MEMBER) - 1)),
        "a stream that is cut": wheel_of(replace(_GOOD, raw=deflated(MEMBER)[:-5])),
        "bytes behind the stream": wheel_of(replace(_GOOD, raw=deflated(MEMBER) + b"more")),
        "no stream at all": wheel_of(replace(_GOOD, raw=b"\xff" * 300)),
        "zip64 with a size of exabytes": wheel_of(replace(_GOOD, is_zip64=True, size=1 << 60)),
        "zip64 with a wrong size": wheel_of(replace(_GOOD, is_zip64=True, size=len(MEMBER) + 1)),
        "zip64 that is cut": wheel_of(replace(_GOOD, size=0xFFFFFFFF, extra=b"\1\0\4\0abcd")),
        "a data descriptor and a wrong CRC": wheel_of(replace(_GOOD, has_descriptor=True, crc32=5)),
        "a data descriptor and a wrong size": wheel_of(replace(_GOOD, has_descriptor=True, size=5)),
        "encrypted": wheel_of(replace(_GOOD, flags=1)),
        "strongly encrypted": wheel_of(replace(_GOOD, flags=0x41)),
        "bzip2": wheel_of(replace(_GOOD, method=12, raw=bz2.compress(MEMBER))),
        "lzma": wheel_of(replace(_GOOD, method=14, raw=lzma.compress(MEMBER, lzma.FORMAT_ALONE))),
        "deflate64": wheel_of(replace(_GOOD, method=9)),
        "zstandard": wheel_of(replace(_GOOD, method=93, raw=b"\x28\xb5\x2f\xfd")),
        "a member outside the archive": wheel_of(replace(_GOOD, offset=1 << 31)),
        "a command that leaves its folder": wheel_of(
            entry_points="[console_scripts]\n../../kiln-was-here = demo:answer\n"
        ),
    }


def odd_wheels() -> dict[str, bytes]:
    """Return wheels that are unusual and in order; each holds ``demo/more.py``."""
    return {
        "plain": wheel_of(_GOOD),
        "stored": wheel_of(replace(_GOOD, method=0)),
        "zip64": wheel_of(replace(_GOOD, is_zip64=True)),
        "a data descriptor": wheel_of(replace(_GOOD, has_descriptor=True)),
        "bytes before the archive": wheel_of(_GOOD, before=b"#!/bin/sh\n"),
    }


# --- tar and gzip, as layers are


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(
    path: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    mode: int = 0o644,
    pax: Mapping[str, str] | None = None,
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mode, info.pax_headers = kind, link, mode, dict(pax or {})
    return info, content


def hostile_tars(outside: Path) -> dict[str, bytes]:
    """Return tars that try to write to, or link to, the folder ``outside`` and beyond; or are no good otherwise."""
    link, hard, folder = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
    there, up = str(outside), "../" * 12 + str(outside).lstrip("/")
    plain = tar_of(member("a", b"1" * 3000), member("b", b"2"))
    header = tarfile.TarInfo("a").tobuf()
    return {
        "a path that leaves": tar_of(member(f"{up}/x", b"1")),
        "a path that leaves from within": tar_of(member("a/../../x", b"1")),
        "a pax path that leaves": tar_of(member("a", b"1", pax={"path": f"{up}/x"})),
        "an absolute path": tar_of(member(f"{there}/x", b"1")),
        "a link to a folder, and a file in it": tar_of(member("l", kind=link, link=there), member("l/x", b"1")),
        "a link upwards, and a file in it": tar_of(member("l", kind=link, link=up), member("l/x", b"1")),
        "a link to a link": tar_of(
            member("d", kind=folder, mode=0o755),
            member("d/one", kind=link, link=".."),
            member("two", kind=link, link=f"d/one/{up}"),
            member("two/x", b"1"),
        ),
        "a file over a link": tar_of(member("l", kind=link, link=f"{there}/x"), member("l", b"1")),
        "a folder over a link": tar_of(
            member("l", kind=link, link=there), member("l", kind=folder, mode=0o755), member("l/x", b"1")
        ),
        "a hard link out": tar_of(member("h", kind=hard, link=f"{up}/secret")),
        "a hard link to an absolute path": tar_of(member("h", kind=hard, link=f"{there}/secret")),
        "a hard link through a link": tar_of(
            member("l", kind=link, link=there), member("h", kind=hard, link="l/secret")
        ),
        "a hard link to itself": tar_of(member("h", kind=hard, link="h")),
        "links in a circle": tar_of(
            member("a", kind=link, link="b"), member("b", kind=link, link="a"), member("a/x", b"1")
        ),
        "a whiteout of what is above": tar_of(member(".wh..", b""), member("d/.wh...", b"")),
        "a device": tar_of(member("dev/sda", kind=tarfile.BLKTYPE)),
        "a pipe": tar_of(member("pipe", kind=tarfile.FIFOTYPE)),
        "a name twice": tar_of(member("a", b"1"), member("a", b"22")),
        "setuid": tar_of(member("a", b"1", mode=0o6777)),
        "cut in a header": plain[:300],
        "cut in a file": plain[:2000],
        "a header of noise": random.Random(1).randbytes(512) + plain,
        "a wrong sum": plain[:148] + b"0000000\0" + plain[156:],
        "a size beyond the end": header[:124] + b"77777777777\0" + header[136:] + bytes(1024),
        "a negative size": header[:124] + b"\xff" * 12 + header[136:] + bytes(1024),
        "a pax size of exabytes": tar_of(member("a", b"1", pax={"size": str(1 << 60)})),
        "a pax header of noise": tar_of(member("a", b"1", pax={"GNU.sparse.map": "0,1,2,zz"})),
        "a long name that never ends": tar_of(member("x" * 100_000, b"1")),
    }


def hostile_gzips() -> dict[str, bytes]:
    """Return what is no gzip stream a layer could have, or grows beyond all measure."""
    plain = gzip.compress(tar_of(member("a", b"1" * 3000)), mtime=0)
    return {
        "nothing": b"",
        "noise": random.Random(2).randbytes(2000),
        "cut": plain[: len(plain) // 2],
        "cut in its sum": plain[:-3],
        "a wrong sum": plain[:-8] + bytes(4) + plain[-4:],
        "a wrong size": plain[:-4] + bytes(4),
        "noise behind it": plain + b"noise",
        "a bomb": bomb(32 << 20),
    }


def bomb(size: int) -> bytes:
    """Return a gzip stream of one huge file of zeros, about a thousandth of its size: many members of 16 MiB each."""
    info = tarfile.TarInfo("zeros")
    info.size = size
    zeros = gzip.compress(bytes(16 << 20), mtime=0)
    return gzip.compress(info.tobuf(), mtime=0) + zeros * (size >> 24) + gzip.compress(bytes(1024), mtime=0)


# --- damage


def _flip(chance: random.Random, content: bytearray) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _cut(chance: random.Random, content: bytearray) -> None:
    del content[chance.randrange(len(content)) :]


def _drop(chance: random.Random, content: bytearray) -> None:
    start = chance.randrange(len(content))
    del content[start : start + chance.randrange(1, 40)]


def _double(chance: random.Random, content: bytearray) -> None:
    start = chance.randrange(len(content))
    content[start:start] = content[start : start + chance.randrange(1, 600)]


def _number(chance: random.Random, content: bytearray) -> None:
    """Put one of the numbers readers stumble over in some place."""
    start = chance.randrange(len(content))
    value = chance.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000))
    content[start : start + 4] = struct.pack("<L", value)[: len(content) - start]


def _blank(chance: random.Random, content: bytearray) -> None:
    start = chance.randrange(len(content))
    stop = min(len(content), start + chance.randrange(1, 600))
    content[start:stop] = bytes(stop - start)


_DAMAGE: Sequence[Callable[[random.Random, bytearray], None]] = (_flip, _cut, _drop, _double, _number, _blank)


def damaged(content: bytes, seed: int) -> bytes:
    """Return the content with one to four faults; equal seeds give equal faults."""
    chance, changed = random.Random(seed), bytearray(content)
    for _ in range(chance.randrange(1, 5)):
        if changed:
            chance.choice(_DAMAGE)(chance, changed)
    return bytes(changed)


def digest_tree(folder: Path) -> dict[str, str]:
    """Return what a folder holds, without following a link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = Digest.of(path.read_bytes()).short if path.is_file() else "folder"
    return found
