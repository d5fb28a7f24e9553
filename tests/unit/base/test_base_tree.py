import tarfile

import pytest
from fake_debs import deb_of, files, member, stored_deb

from builder.base.deb import UnpackedDeb, unpack_deb
from builder.base.definition import Removal
from builder.base.tree import Tree, merged
from builder.errors import BaseImageError
from builder.oci.entry import Entry, EntryKind, sort_key
from builder.store.blobs import BlobStore


def unpacked(store: BlobStore, name: str, data: list, **more: object) -> UnpackedDeb:
    return unpack_deb(stored_deb(store, deb_of(name, data=data, **more), name), store)  # type: ignore[arg-type]


def text_of(entry: Entry) -> str:
    assert entry.content is not None
    return b"".join(entry.content.chunks()).decode()


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("lib/x86_64-linux-gnu/a", "usr/lib/x86_64-linux-gnu/a"),
        ("bin/sh", "usr/bin/sh"),
        ("lib", "lib"),
        ("lib2/a", "lib2/a"),
    ],
)
def test_paths_move_into_usr(path: str, where: str) -> None:
    assert merged(path) == where


def test_packages_become_one_sorted_tree_with_plain_modes(store: BlobStore) -> None:
    data = [
        *files({"lib/a.so": b"a", "bin/tool": b"t"}),
        member("./usr/bin/odd", b"x", mode=0o4755),
        member("./etc/secret", b"x", mode=0o600),
        member("./var/local", kind=tarfile.DIRTYPE, mode=0o2775),
    ]
    tree = Tree()
    tree.add_package(unpacked(store, "a", data))
    tree.add_package(unpacked(store, "b", files({"usr/lib/b.so": b"b"})))
    entries = tree.entries()
    modes = {entry.path: entry.mode for entry in entries}
    assert modes["usr/lib/a.so"] == 0o644
    assert modes["usr/bin/tool"] == modes["usr/bin/odd"] == modes["var/local"] == 0o755
    assert modes["etc/secret"] == 0o644
    assert not {"lib", "bin"} & set(modes)
    assert list(entries) == sorted(entries, key=sort_key)
    assert {entry.path.rpartition("/")[0] for entry in entries} - {""} <= set(modes)


def test_scanners_find_each_package(store: BlobStore) -> None:
    tree = Tree([Removal(paths=("usr/share/man/*",), reason="manuals")])
    md5sums = "01  usr/bin/tool\n02  usr/share/man/tool.1\n03  lib/a.so\n"
    data = files({"usr/bin/tool": b"", "usr/share/man/tool.1": b"", "lib/a.so": b""})
    tree.add_package(unpacked(store, "a", data, scripts={"md5sums": md5sums}))
    entries = {entry.path: entry for entry in tree.entries()}
    assert text_of(entries["var/lib/dpkg/status.d/a"]).startswith("Package: a\nVersion: 1.0\n")
    assert text_of(entries["var/lib/dpkg/status.d/a.md5sums"]) == "01  usr/bin/tool\n03  lib/a.so\n"


def test_what_is_removed_goes_and_what_is_kept_stays(store: BlobStore) -> None:
    rule = Removal(paths=("usr/share/doc/*",), keep=("usr/share/doc/*/copyright",), reason="documentation")
    tree = Tree([rule])
    data = {
        "usr/share/doc/a/copyright": b"c",
        "usr/share/doc/a/README": b"r",
        "usr/share/doc/b": "-> a",
        "usr/bin/a": b"",
    }
    tree.add_package(unpacked(store, "a", files(data)))
    paths = {entry.path for entry in tree.entries()}
    assert {"usr/share/doc/a/copyright", "usr/share/doc/b", "usr/bin/a"} <= paths
    assert "usr/share/doc/a/README" not in paths


def test_a_second_name_of_a_file_becomes_a_link_beside_it(store: BlobStore) -> None:
    data = [
        *files({"usr/share/zone/Africa/Abidjan": b"tz"}),
        member("./usr/share/zone/Iceland", kind=tarfile.LNKTYPE, link="./usr/share/zone/Africa/Abidjan"),
    ]
    tree = Tree()
    tree.add_package(unpacked(store, "a", data))
    assert tree.get("usr/share/zone/Iceland") == Entry.symlink("usr/share/zone/Iceland", "Africa/Abidjan")


def test_a_second_name_becomes_the_file_where_the_first_is_removed(store: BlobStore) -> None:
    data = [*files({"usr/share/a/x": b"tz"}), member("./usr/share/b", kind=tarfile.LNKTYPE, link="./usr/share/a/x")]
    tree = Tree([Removal(paths=("usr/share/a/*",), reason="copies")])
    tree.add_package(unpacked(store, "a", data))
    entry = tree.get("usr/share/b")
    assert entry is not None
    assert (entry.kind, text_of(entry)) == (EntryKind.FILE, "tz")


def test_two_packages_with_different_files_at_one_path_are_refused(store: BlobStore) -> None:
    tree = Tree()
    tree.add_package(unpacked(store, "a", files({"lib/x": b"1"})))
    tree.add_package(unpacked(store, "same", files({"usr/lib/x": b"1"})))
    with pytest.raises(BaseImageError) as caught:
        tree.add_package(unpacked(store, "b", files({"usr/lib/x": b"2"})))
    assert "packages a and b" in caught.value.render()
    assert "/usr/lib/x" in caught.value.render()


def test_a_file_where_another_has_a_folder_is_refused(store: BlobStore) -> None:
    tree = Tree()
    tree.add_package(unpacked(store, "a", files({"usr/x/y": b"1"})))
    with pytest.raises(BaseImageError):
        tree.add_package(unpacked(store, "b", files({"usr/x": b"2"})))


def test_a_path_through_a_link_is_refused(store: BlobStore) -> None:
    tree = Tree()
    tree.add_package(
        unpacked(store, "a", [member("./usr/x", kind=tarfile.SYMTYPE, link="y"), member("./usr/x/z", b"1")])
    )
    with pytest.raises(BaseImageError, match="not a folder"):
        tree.entries()


def test_a_layer_holds_only_what_the_tree_below_lacks(store: BlobStore) -> None:
    below, above = Tree(), Tree()
    below.add_package(unpacked(store, "a", files({"usr/lib/a": b"1", "usr/lib/same": "-> a"})))
    above.add_package(unpacked(store, "b", files({"usr/lib/b": b"2", "usr/lib/same": "-> a"})))
    paths = [entry.path for entry in above.entries(upon=below.entries())]
    assert paths == ["usr/lib/b", "var/lib/dpkg/status.d/b", "var/lib/dpkg/status.d/b.md5sums"]


def test_a_package_that_would_replace_a_file_of_the_base_is_refused(store: BlobStore) -> None:
    below, above = Tree(), Tree()
    below.add_package(unpacked(store, "a", files({"usr/lib/x": b"1"})))
    above.add_package(unpacked(store, "b", files({"lib/x": b"2"})))
    with pytest.raises(BaseImageError, match="package b would replace a file of the base"):
        above.entries(upon=below.entries())


def test_the_order_of_packages_does_not_matter(store: BlobStore) -> None:
    packages = [unpacked(store, name, files({f"usr/lib/{name}": b"1", "usr/share/x": b"2"})) for name in "abc"]
    one, other = Tree(), Tree()
    for package in packages:
        one.add_package(package)
    for package in reversed(packages):
        other.add_package(package)
    assert [(e.path, e.kind, e.mode, e.link) for e in one.entries()] == [
        (e.path, e.kind, e.mode, e.link) for e in other.entries()
    ]
