"""Finds every pickle in a model file: plain, compressed as joblib does, in zip and tar members, behind .npy headers."""

from __future__ import annotations

import bz2
import io
import lzma
import mmap
import re
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Protocol

from builder.check.lz4 import Lz4Error, decompress_lz4
from builder.check.pickle_values import Buffer
from builder.host.zip_errors import ZIP_ERRORS

LARGEST = 8 << 30
"""Bytes a compressed file may expand to and still be followed."""

_IN_MEMORY = 16 << 20
_DEEPEST = 3
_MOST_GUESSES = 10_000
_OLD_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of PyTorch's older format: its magic number."""


class Loader(Enum):
    """What reads a stream, and so how it reads it."""

    JOBLIB = "joblib"
    """Arrays may lie beside the opcodes; one pickle."""
    TORCH = "torch"
    """Storages come from outside of the pickle."""
    OLD_TORCH = "torch, older format"
    """Five pickles, then raw storages."""
    NUMPY = "numpy"
    """One pickle behind a header."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """Bytes in which a pickle begins at ``start``; or what only might be one, when ``is_guess``."""

    buffer: Buffer
    loader: Loader
    start: int = 0
    member: str | None = None
    """Of an archive."""
    is_guess: bool = False
    """Nothing says that it is a pickle; were it loaded as one, this is what would be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """Why a file, or a member of it, cannot be searched for pickles; loaders may still read it."""

    text: str
    member: str | None = None
    remedy: str = ""
    """Empty when the remedy of every damaged file helps."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


@contextmanager
def opened(path: Path) -> Iterator[Buffer]:
    """Give the bytes of a file, mapped rather than read when it is large. OSError as usual."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if size <= _IN_MEMORY:
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def find_streams(buffer: Buffer, name: str, member: str | None = None, depth: int = 0) -> Iterator[Stream | Damage]:
    """Yield every pickle of a file, and every reason to think that one is hidden.

    ``name`` is the file's or member's own; its ending says what loaders would try.
    """
    head = bytes(buffer[:512])
    if head[:4] == b"PK\x03\x04" or head[:4] == b"PK\x05\x06":
        yield from _zip_streams(buffer, member, depth)
        return
    if head[:6] == b"\x93NUMPY":
        yield from _numpy_stream(buffer, member)
        return
    method = compression(head)
    if method is not None:
        try:
            content = decompressed(buffer, method)
        except (DecompressionError, OSError) as error:
            yield Damage(text=f"the {method} data is damaged: {error}", member=member)
            return
        if depth < _DEEPEST:
            yield from find_streams(content, _without_ending(name), member, depth + 1)
        else:
            yield Damage(text="compressed data in compressed data in compressed data", member=member)
        return
    if head[257:262] == b"ustar":
        yield from _tar_streams(buffer, member, depth)
        return
    if head.startswith(_OLD_TORCH):
        yield Stream(buffer=buffer, loader=Loader.OLD_TORCH, member=member)
        return
    is_pickle = is_pickle_start(head) or _ENDING.search(name) is not None
    yield Stream(buffer=buffer, loader=Loader.JOBLIB, member=member, is_guess=not is_pickle)


def is_pickle_start(head: bytes) -> bool:
    """Tell whether bytes begin as protocols 2 to 5 do."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


_ENDING = re.compile(r"\.(?:pkl|pickle|p|joblib|sav|dill|cpkl|pckl)(?:\.\w{1,4})?\Z", re.IGNORECASE)

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZ", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x5d\x00", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"ZF", "joblib 0.9"),
)


def compression(head: bytes) -> str | None:
    """Return how bytes are compressed, told as joblib tells it: by the first few of them."""
    if head[:1] == b"\x78" and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0:
        return "zlib"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


class DecompressionError(Exception):
    """Compressed data is damaged, or of a kind that cannot be read here."""


def decompressed(buffer: Buffer, method: str) -> Buffer:
    """Return what compressed data holds, all of its parts; DecompressionError when any byte of it is left over."""
    if method == "joblib 0.9":
        raise DecompressionError("this is the format of joblib 0.9 and older, whose arrays are files of their own")
    if method == "lz4":
        try:
            return decompress_lz4(bytes(buffer), LARGEST)
        except Lz4Error as error:
            raise DecompressionError(str(error)) from None
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        position = 0
        size = 0
        while position < len(buffer):
            machine = _decompressor(method)
            while not machine.eof:
                chunk = bytes(buffer[position : position + (1 << 20)])
                if not chunk:
                    raise DecompressionError("it is truncated")
                position += len(chunk)
                try:
                    content = machine.decompress(chunk)
                except (zlib.error, lzma.LZMAError, OSError, EOFError, MemoryError) as error:
                    raise DecompressionError(str(error)) from None
                size += len(content)
                if size > LARGEST:
                    raise DecompressionError(f"it expands to more than {LARGEST >> 30} GiB")
                spool.write(content)
            position -= len(machine.unused_data)
        spool.seek(0)
        if size <= _IN_MEMORY:
            return spool.read()
        spool.rollover()
        return mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)


def _decompressor(method: str) -> _Decompressor:
    match method:
        case "zlib":
            return zlib.decompressobj()
        case "gzip":
            return zlib.decompressobj(wbits=31)
        case "bzip2":
            return bz2.BZ2Decompressor()
        case _:
            return lzma.LZMADecompressor()


def _without_ending(name: str) -> str:
    return re.sub(r"\.(?:gz|bz2|xz|lzma|z|lz4)\Z", "", name, flags=re.IGNORECASE)


def _numpy_stream(buffer: Buffer, member: str | None) -> Iterator[Stream | Damage]:
    """Yield the pickle of an .npy file whose items are objects (numpy.lib.format, versions 1 to 3)."""
    version = buffer[6] if len(buffer) > 8 else 0
    width = 2 if version == 1 else 4
    start = 8 + width + int.from_bytes(buffer[8 : 8 + width], "little")
    header = bytes(buffer[8 + width : min(start, 1 << 20)])
    if start > len(buffer) or version not in (1, 2, 3):
        yield Damage(text="the header of the .npy data is damaged", member=member)
    elif re.search(rb"['\"|<>=]O", header):
        yield Stream(buffer=buffer, loader=Loader.NUMPY, start=start, member=member)


def _zip_streams(buffer: Buffer, outer: str | None, depth: int) -> Iterator[Stream | Damage]:
    """Yield the pickles of a zip archive's members; any disagreement between its two lists of members is damage."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(buffer) if isinstance(buffer, bytes) else _Mapped(buffer))
    except ZIP_ERRORS as error:
        yield Damage(text=f"it begins as a zip archive and is none: {error}", member=outer)
        yield from _stored(buffer, outer)
        return
    names: set[str] = set()
    with archive:
        infos = archive.infolist()
        is_torch = any(_is_torch_pickle(info.filename) for info in infos)
        for info in infos:
            name = info.filename
            member = name if outer is None else f"{outer}!{name}"
            if name in names:
                yield Damage(text="two members have this name, and loaders differ in which they take", member=member)
            names.add(name)
            if name.endswith("/"):
                continue
            if info.flag_bits & 1:
                yield Damage(text="it is encrypted", member=member)
                continue
            try:
                head = _head(archive, info)
                if _is_raw(name) and not is_pickle_start(head):
                    continue
                content = archive.read(info)
            except ZIP_ERRORS as error:
                yield Damage(text=f"it cannot be read: {error}", member=member)
                content = _unchecked(buffer, info)
            if _is_raw(name):
                # A tensor's bytes may begin like a pickle by chance, and are not loaded as one.
                yield Stream(buffer=content, loader=Loader.TORCH, member=member, is_guess=True)
            elif is_torch and is_pickle_start(content[:2]):
                yield Stream(buffer=content, loader=Loader.TORCH, member=member)
            elif depth < _DEEPEST:
                yield from find_streams(content, name.rpartition("/")[2], member, depth + 1)


def _is_torch_pickle(name: str) -> bool:
    return name.rpartition("/")[2] in ("data.pkl", "constants.pkl")


_RAW = re.compile(r"(?:\A|/)(?:data|constants|\.data|tensors|weights)/[\w.-]+\Z")


def _is_raw(name: str) -> bool:
    """Tell whether a member holds nothing but numbers or text, so that it need not be read whole."""
    return bool(_RAW.search(name)) and not _ENDING.search(name)


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        return member.read(16)


def _unchecked(buffer: Buffer, info: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes whatever its checksum says, as loaders that check none would."""
    start = max(0, info.header_offset)
    header = bytes(buffer[start : start + 30])
    if len(header) < 30:
        return b""
    start += 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    raw = bytes(buffer[start : start + info.compress_size])
    if info.compress_type == zipfile.ZIP_DEFLATED:
        try:
            return zlib.decompressobj(wbits=-15).decompress(raw, _IN_MEMORY)
        except zlib.error:
            return b""
    return raw


def _stored(buffer: Buffer, outer: str | None) -> Iterator[Stream]:
    """Yield what might be pickles in something like an archive whose list of members is gone."""
    for match in islice(re.finditer(rb"\x80[\x02-\x05]", buffer), _MOST_GUESSES):
        yield Stream(buffer=buffer, loader=Loader.TORCH, start=match.start(), member=outer, is_guess=True)


def _tar_streams(buffer: Buffer, outer: str | None, depth: int) -> Iterator[Stream | Damage]:
    try:
        with tarfile.open(fileobj=io.BytesIO(buffer)) as archive:
            for info in archive:
                member = info.name if outer is None else f"{outer}!{info.name}"
                file = archive.extractfile(info) if info.isfile() else None
                if file is not None and depth < _DEEPEST:
                    yield from find_streams(file.read(), info.name.rpartition("/")[2], member, depth + 1)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, MemoryError) as error:
        yield Damage(text=f"it begins as a tar archive and is none: {error}", member=outer)


class _Mapped(io.RawIOBase):
    """A mapped file as one that can be read and sought."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._mapped)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = len(self._mapped) if size < 0 else self._position + size
        content = self._mapped[self._position : end]
        self._position += len(content)
        return content
