from __future__ import annotations

import zlib

import pytest

from builder.oci.entry import Entry, EntryKind, InlineContent, sort_key


def test_inline_content_is_whole() -> None:
    content = InlineContent(b"abc")
    assert (content.size, b"".join(content.chunks()), content.crc32) == (3, b"abc", zlib.crc32(b"abc"))
    assert list(InlineContent(b"").chunks()) == []


@pytest.mark.parametrize("path", ["", "/etc", "etc/", "a//b", "a/../b", "./a", "..", ".", "a\0b"])
def test_a_path_stays_inside_the_tree(path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside a tree"):
        Entry.directory(path)


def test_content_belongs_to_files_and_to_nothing_else() -> None:
    with pytest.raises(ValueError, match="content belongs to files"):
        Entry(path="a", kind=EntryKind.FILE, mode=0o644)
    with pytest.raises(ValueError, match="content belongs to files"):
        Entry(path="a", kind=EntryKind.DIRECTORY, mode=0o755, content=InlineContent(b""))


def test_entries_belong_to_root_with_the_usual_modes() -> None:
    made = [Entry.file("f", InlineContent(b"")), Entry.directory("d"), Entry.symlink("l", "f")]
    assert [entry.mode for entry in made] == [0o644, 0o755, 0o777]
    assert all((entry.uid, entry.gid) == (0, 0) for entry in made)
    assert made[2].link == "f"


def test_a_directory_comes_right_before_what_is_in_it() -> None:
    paths = ["a-b", "a/b/c", "a", "a.b", "a/b", "a/c", "b"]
    ordered = sorted((Entry.directory(path) for path in paths), key=sort_key)
    assert [entry.path for entry in ordered] == ["a", "a/b", "a/b/c", "a/c", "a-b", "a.b", "b"]
