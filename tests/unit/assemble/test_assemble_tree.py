from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.assemble.content import MadeContent
from builder.assemble.tree import arrange
from builder.errors import PlanError
from builder.oci.entry import Entry, EntryKind, InlineContent


def file(path: str, data: bytes = b"", label: str = "somewhere") -> Entry:
    return Entry.file(path, MadeContent(data, label))


def test_missing_parents_are_made_once() -> None:
    tree = arrange([file("opt/model/a"), file("opt/model/b")])
    assert [(entry.path, entry.kind, entry.mode) for entry in tree] == [
        ("opt", EntryKind.DIRECTORY, 0o755),
        ("opt/model", EntryKind.DIRECTORY, 0o755),
        ("opt/model/a", EntryKind.FILE, 0o644),
        ("opt/model/b", EntryKind.FILE, 0o644),
    ]


def test_a_given_directory_keeps_its_mode() -> None:
    tree = arrange([file("tmp/x"), Entry.directory("tmp", mode=0o1777)])
    assert [entry.mode for entry in tree] == [0o1777, 0o644]


def test_order_is_by_bytes_with_directories_before_what_is_in_them() -> None:
    paths = ["a", "a/b", "a-b", "a.b", "ab", "B", "é"]
    tree = arrange([Entry.directory("a"), *(file(path) for path in paths[1:])])
    assert [entry.path for entry in tree] == ["B", "a", "a/b", "a-b", "a.b", "ab", "é"]


@given(
    st.sets(
        st.text("abc/", min_size=1, max_size=8).map(lambda text: "r/" + "/".join(filter(None, text.split("/"))) + "f")
    )
)
def test_order_given_does_not_matter(paths: set[str]) -> None:
    files = [file(path) for path in paths if not any(other.startswith(f"{path}/") for other in paths)]
    shuffled = random.Random(1).sample(files, len(files))
    assert arrange(files) == arrange(shuffled)


def test_two_sources_for_one_path_are_both_named() -> None:
    with pytest.raises(PlanError) as caught:
        arrange([file("a/x", b"1", "one.whl"), file("a/x", b"2", "two.whl"), file("b", b"", "p"), file("b", b"2", "q")])
    assert [(fault.fact, fault.want, fault.got) for fault in caught.value.faults] == [
        ("two sources for one path: a/x", "one.whl", "two.whl"),
        ("two sources for one path: b", "p", "q"),
    ]


def test_the_same_file_twice_is_one_file() -> None:
    assert len(arrange([file("a", b"same", "one"), file("a", b"same", "two")])) == 1


def test_the_same_content_with_another_mode_is_a_clash() -> None:
    with pytest.raises(PlanError):
        arrange([file("a"), Entry.file("a", MadeContent(b"", "two"), mode=0o755)])


def test_content_that_is_not_known_beforehand_is_a_clash() -> None:
    with pytest.raises(PlanError):
        arrange([Entry.file("a", InlineContent(b"")), Entry.file("a", InlineContent(b""))])


def test_a_file_where_a_directory_is_needed_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        arrange([file("a", b"", "one.whl"), file("a/b/c", b"", "two.whl")])
    [fault] = caught.value.faults
    assert fault.fact == "a file where a directory is needed: a"
    assert fault.got == "one.whl"


def test_a_symlink_where_a_directory_is_needed_is_refused() -> None:
    with pytest.raises(PlanError):
        arrange([Entry.symlink("lib", "usr/lib"), file("lib/x")])
