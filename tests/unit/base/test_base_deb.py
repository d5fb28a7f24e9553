import gzip
import tarfile
from collections.abc import Callable

import pytest
from fake_debs import ar_of, deb_of, files, locked_deb, member, stored_deb, tar_of

from builder.base.deb import unpack_deb
from builder.errors import BaseImageError
from builder.oci.entry import Entry, EntryKind
from builder.store import growth
from builder.store.blobs import BlobStore

DATA = files({"usr/bin/tool": b"#!", "usr/share/doc/a/copyright": b"mine\n", "usr/lib/link": "-> ../bin/tool"})


def content_of(entry: Entry) -> bytes:
    assert entry.content is not None
    return b"".join(entry.content.chunks())


def test_a_package_is_taken_apart(store: BlobStore) -> None:
    content = deb_of("a", data=DATA, scripts={"postinst": "#!/bin/sh\n", "prerm": "x", "md5sums": "00  usr/bin/tool\n"})
    unpacked = unpack_deb(stored_deb(store, content, "a"), store)
    entries = {entry.path: entry for entry in unpacked.entries}
    assert unpacked.control["Description"] == "made for a test\n with a second line"
    assert unpacked.control_text.endswith("second line\n")
    assert unpacked.scripts == {"postinst": "#!/bin/sh\n"}
    assert unpacked.md5sums == "00  usr/bin/tool\n"
    assert content_of(entries["usr/bin/tool"]) == b"#!"
    assert (entries["usr/bin/tool"].mode, entries["usr/bin/tool"].uid) == (0o755, 0)
    assert entries["usr/lib/link"].link == "../bin/tool"
    assert entries["usr/share"].kind is EntryKind.DIRECTORY


def test_gzip_and_no_compression_are_read_too(store: BlobStore) -> None:
    for name, compress, suffix in (("a", gzip.compress, ".gz"), ("b", bytes, "")):
        content = deb_of(name, data=DATA, compress=compress, suffix=suffix)
        assert len(unpack_deb(stored_deb(store, content, name), store).entries) == len(DATA)


def test_a_second_look_does_not_decompress_again(store: BlobStore) -> None:
    deb = stored_deb(store, deb_of("a", data=DATA), "a")
    first = unpack_deb(deb, store)
    before = {path: path.stat().st_mtime_ns for path in (store.root / "blobs/sha256").iterdir()}
    assert unpack_deb(deb, store) == first
    assert {path: path.stat().st_mtime_ns for path in (store.root / "blobs/sha256").iterdir()} == before


def test_a_lost_blob_of_files_is_made_again(store: BlobStore) -> None:
    deb = stored_deb(store, deb_of("a", data=DATA), "a")
    first = unpack_deb(deb, store)
    for path in (store.root / "blobs/sha256").iterdir():
        if path.name != deb.digest.hex:
            path.unlink()
    assert [content_of(entry) for entry in unpack_deb(deb, store).entries if entry.content] == [
        content_of(entry) for entry in first.entries if entry.content
    ]


def test_a_hard_link_names_the_file_it_follows(store: BlobStore) -> None:
    data = [*files({"usr/bin/a": b"1"}), member("./usr/bin/b", kind=tarfile.LNKTYPE, link="./usr/bin/a", mode=0o755)]
    entries = unpack_deb(stored_deb(store, deb_of("a", data=data), "a"), store).entries
    assert entries[-1] == Entry(path="usr/bin/b", kind=EntryKind.HARDLINK, mode=0o755, link="usr/bin/a")


@pytest.mark.parametrize(
    ("bad", "fact"),
    [
        (member("/etc/passwd", b"x"), "absolute path"),
        (member("./a/../../etc/passwd", b"x"), "leaves the tree"),
        (member("./etc/x", kind=tarfile.SYMTYPE, link="../../outside"), "leaves the tree"),
        (member("./x", kind=tarfile.SYMTYPE, link="a/../../b"), "leaves the tree"),
        (member("./x", kind=tarfile.SYMTYPE, link=""), "link to nothing"),
        (member("./dev/sda", kind=tarfile.BLKTYPE), "special file"),
        (member("./dev/null", kind=tarfile.CHRTYPE), "special file"),
        (member("./pipe", kind=tarfile.FIFOTYPE), "special file"),
        (member("./hard", kind=tarfile.LNKTYPE, link="./nowhere"), "not before it"),
        (member("./hard", kind=tarfile.LNKTYPE, link="../../etc/shadow"), "leaves the tree"),
    ],
)
def test_unsafe_contents_are_refused_by_path(store: BlobStore, bad: tuple[tarfile.TarInfo, bytes], fact: str) -> None:
    deb = stored_deb(store, deb_of("a", data=[bad]), "a")
    with pytest.raises(BaseImageError) as caught:
        unpack_deb(deb, store)
    assert fact in caught.value.render()
    assert "package a 1.0" in caught.value.render()


GOOD = deb_of("a", data=files({"usr/share/big": bytes(range(256)) * 400}))


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "not an ar archive"),
        (b"<html>", "not an ar archive"),
        (GOOD[: len(GOOD) - 100], "cut off"),
        (GOOD[:100], "cut off"),
        (GOOD[:8] + b"x" * 60 + GOOD[68:], "damaged"),
        (ar_of([("debian-binary", b"2.0\n")]), "has no control.tar"),
        (ar_of([("control.tar.zst", b"")]), "compressed in a way"),
        (ar_of([("control.tar.xz", b"not xz")]), "package a 1.0 cannot be unpacked"),
        (ar_of([("control.tar.gz", gzip.compress(b"x" * 1024)[:-12])]), "package a 1.0 cannot be unpacked"),
        (ar_of([("control.tar", b"not a tar" * 200)]), "package a 1.0 cannot be unpacked"),
        (ar_of([("control.tar", tar_of([member("./control", b"no colon")]))]), "not a control field"),
        (ar_of([("control.tar", tar_of([member("./control", b"Package: b\nVersion: 1\n")]))]), "it says it is b 1"),
        (ar_of([("control.tar", tar_of([]))]), "it says it is nothing"),
        (deb_of("a", "2.0"), "it says it is a 2.0"),
        (deb_of("a", data=DATA[:1], compress=lambda tar: tar.rstrip(b"\0"), suffix=""), "package a 1.0 cannot be"),
    ],
)
def test_a_damaged_package_is_refused_by_name(store: BlobStore, content: bytes, fact: str) -> None:
    store.add(content)
    with pytest.raises(BaseImageError) as caught:
        unpack_deb(locked_deb(content, "a"), store)
    assert fact in caught.value.render()
    assert "package a 1.0" in caught.value.render()


def damaged(change: Callable[[bytes], bytes]) -> bytes:
    """Return a package whose data.tar is changed, and whose control.tar is whole."""
    data = files({"a": b"x" * 600, "b": b"y" * 600})
    return deb_of("a", data=data, compress=lambda tar: tar if b"control" in tar[:100] else change(tar), suffix="")


@pytest.mark.parametrize(
    "change",
    [
        lambda tar: tar[:1536] + b"\xff" * 300 + tar[1836:],
        lambda tar: tar[:1536],
        lambda tar: tar[:1700],
        lambda tar: tar[:2100],
        lambda tar: tar[:3072],
        lambda _: b"",
    ],
    ids=["damaged header", "no end", "half a header", "half a file", "no mark of the end", "empty"],
)
def test_a_damaged_data_tar_is_refused(store: BlobStore, change: Callable[[bytes], bytes]) -> None:
    deb = stored_deb(store, damaged(change), "a")
    with pytest.raises(BaseImageError, match=r"package a 1\.0 cannot be unpacked"):
        unpack_deb(deb, store)


def test_a_package_that_grows_beyond_what_is_real_is_refused(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "FLOOR", 1 << 20)
    content = deb_of("a", data=[member("./zeros", bytes(16 << 20))])
    with pytest.raises(BaseImageError, match="unpacks to more than anything real does"):
        unpack_deb(stored_deb(store, content, "a"), store)
    assert not list((store.root / "aside").glob("*"))
