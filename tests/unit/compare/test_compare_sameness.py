from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from compare_images import image_of, tar_of

from builder.compare.difference import Difference, difference_table
from builder.compare.opened import open_parts
from builder.compare.sameness import differences
from builder.engine.saved import Slice
from builder.errors import DigestMismatchError, EngineError, StoreError
from builder.oci.digest import Digest

FILES = {"a.txt": b"one\ntwo\n", "b.bin": b"\xff\x00"}


def compare(tmp_path: Path, one: bytes, other: bytes) -> list[Difference]:
    want = image_of(tmp_path / "want", [("code: x", one)])
    got = image_of(tmp_path / "got", [("code: x", other)])
    return list(differences(want, got))


def test_the_same_image_has_no_differences_however_it_is_compressed(tmp_path: Path) -> None:
    want = image_of(tmp_path / "want", [("code: x", tar_of(FILES))])
    plain = tmp_path / "plain"
    plain.write_bytes(tar_of(FILES))
    got = open_parts("got", want.configuration, [(None, Slice.of(plain))], tmp_path)
    assert list(differences(want, got)) == []


def test_a_changed_text_is_told_by_its_first_line(tmp_path: Path) -> None:
    found = compare(tmp_path, tar_of(FILES), tar_of(FILES | {"a.txt": b"one\ntwO\n"}))
    assert [(one.path, one.field, one.want, one.got) for one in found] == [("/a.txt", "content, line 2", "two", "twO")]


def test_changed_bytes_are_told_by_digest(tmp_path: Path) -> None:
    [found] = compare(tmp_path, tar_of(FILES), tar_of(FILES | {"b.bin": b"\xfe\x00"}))
    assert (found.path, found.field, found.want[:7]) == ("/b.bin", "content", "sha256:")


@pytest.mark.parametrize(
    ("field", "value", "told", "want", "got"),
    [
        ("mode", 0o755, "mode", "0644", "0755"),
        ("uid", 7, "owner", "0:0", "7:0"),
        ("mtime", 1, "mtime", "946684800", "1"),
        ("uname", "me", "names", ":", "me:"),
        ("pax_headers", {"x": "y"}, "extended", "", "x=y"),
    ],
)
def test_every_field_of_a_header_counts(tmp_path: Path, field: str, value: Any, told: str, want: str, got: str) -> None:
    found = compare(tmp_path, tar_of(FILES), tar_of(FILES, **{field: value}))
    assert {(one.field, one.want, one.got) for one in found} == {(told, want, got)}


def test_paths_of_one_side_only_are_told(tmp_path: Path) -> None:
    [gone] = compare(tmp_path, tar_of(FILES), tar_of({"a.txt": FILES["a.txt"]}))
    assert (gone.path, gone.field, gone.want, gone.got) == ("/b.bin", "path", "file", "nothing")


def test_another_order_is_a_difference(tmp_path: Path) -> None:
    [found] = compare(tmp_path, tar_of(FILES), tar_of(dict(reversed(FILES.items()))))
    assert (found.field, found.want, found.got) == ("order", "a.txt", "b.bin")


def test_padding_is_a_difference_named_by_its_place(tmp_path: Path) -> None:
    tar = tar_of(FILES)
    [found] = compare(tmp_path, tar, tar + bytes(512))
    assert (found.field, found.want, found.got) == (f"byte {len(tar)} of the tar", "the end", "0x00")


def test_a_layer_more_is_told_and_so_is_the_configuration(tmp_path: Path) -> None:
    tar = tar_of(FILES)
    want = image_of(tmp_path / "want", [("code: x", tar)], Env=["A=1"])
    got = image_of(tmp_path / "got", [("code: x", tar), ("more", tar_of({"c": b""}))], Env=["A=2"])
    found = [(one.place, one.path, one.want, one.got) for one in differences(want, got)]
    assert found[0][:3] == ("layer 2: more", "/", "nothing")
    assert ("configuration", "/config/Env/0", "A=1", "A=2") in found


def test_a_layer_that_is_not_what_the_image_names_is_refused(tmp_path: Path) -> None:
    want = image_of(tmp_path / "want", [("code: x", tar_of(FILES))])
    other = tmp_path / "other"
    other.write_bytes(gzip.compress(tar_of(FILES | {"a.txt": b""})))
    for digest in (Digest.of(b"x"), None):
        got = open_parts("got", want.configuration, [(digest, Slice.of(other))], tmp_path / "aside")
        (tmp_path / "aside").mkdir(exist_ok=True)
        with pytest.raises(DigestMismatchError):
            list(differences(want, got))


@pytest.mark.parametrize("configuration", [b"", b"[]", b"{}", b'{"rootfs": {"diff_ids": ["x"]}, "os": "linux"}'])
def test_a_configuration_that_cannot_be_read_is_an_error(tmp_path: Path, configuration: bytes) -> None:
    with pytest.raises(StoreError):
        open_parts("x", configuration, [], tmp_path)


def test_a_layer_that_is_no_archive_is_an_error(tmp_path: Path) -> None:
    junk = b"\x01" * 2048
    want = image_of(tmp_path / "want", [("code: x", junk)])
    got = image_of(tmp_path / "got", [("code: x", junk + b"\x01" * 512)])
    with pytest.raises(EngineError):
        list(differences(want, got))


def test_a_table_shows_the_first_differences_and_counts_the_rest() -> None:
    many = [Difference(place="x", path=f"/{number}", field="mode", want="0644", got="0755") for number in range(25)]
    lines = difference_table(many, want="rebuilt", got="image").splitlines()
    assert lines[0].split() == ["path", "field", "rebuilt", "image", "in"]
    assert lines[1].split() == ["/0", "mode", "0644", "0755", "x"]
    assert lines[-1] == "… and 5 more"
