"""Image archives of engines and registries: the usual, the odd, and the hostile."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.engine.saved import Slice, Tree, apply_layer, inflated, saved_image, saved_tree
from builder.errors import EngineError, KilnError, StoreError
from builder.oci.entry import EntryKind

Edit = Callable[[tarfile.TarFile], None]


def add(path: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Edit:
    def edit(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(path)
        info.type, info.size, info.linkname = kind, len(content), link
        archive.addfile(info, io.BytesIO(content))

    return edit


def tar_of(*edits: Edit) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for edit in edits:
            edit(archive)
    return buffer.getvalue()


def saved(*layers: bytes, config: bytes = b"{}") -> bytes:
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "config.json", "Layers": names}]).encode()
    files = [add(name, layer) for name, layer in zip(names, layers, strict=True)]
    return tar_of(*files, add("config.json", config), add("manifest.json", manifest))


def read(archive: bytes, scratch: Path) -> dict[str, bytes | str | None]:
    with saved_tree(iter([archive]), scratch, at="x") as tree:
        return {
            path: b"".join(entry.content.chunks()) if entry.content else entry.link or None
            for path, entry in tree.items()
        }


def test_layers_are_applied_with_their_whiteouts(tmp_path: Path) -> None:
    lower = tar_of(add("d", kind=tarfile.DIRTYPE), add("d/a", b"1"), add("d/b", b"2"), add("e/c", b"3"))
    upper = tar_of(add("d/.wh.a"), add("e/.wh..wh..opq"), add("e/f", b"4"), add("l", kind=tarfile.SYMTYPE, link="d/b"))
    for one, other in ((lower, upper), (gzip.compress(lower), gzip.compress(upper))):
        assert read(saved(one, other), tmp_path) == {"d": None, "d/b": b"2", "e/f": b"4", "l": "d/b"}
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_occurs_twice_is_followed(tmp_path: Path) -> None:
    layer = tar_of(add("a", b"1"))
    manifest = json.dumps([{"Config": "c", "Layers": ["x/layer.tar", "y/layer.tar"]}]).encode()
    link = add("y/layer.tar", kind=tarfile.SYMTYPE, link="../x/layer.tar")
    archive = tar_of(add("x/layer.tar", layer), link, add("c", b"{}"), add("manifest.json", manifest))
    with saved_image(iter([archive]), tmp_path, at="x") as image:
        assert image.layers[0] == image.layers[1]
        assert image.config == b"{}"


def test_hard_links_have_the_content_of_what_they_lead_to(tmp_path: Path) -> None:
    layer = tar_of(add("a", b"1"), add("b", kind=tarfile.LNKTYPE, link="./a"))
    assert read(saved(layer), tmp_path) == {"a": b"1", "b": b"1"}


def test_a_folder_may_replace_a_file_and_a_file_a_folder(tmp_path: Path) -> None:
    lower = tar_of(add("a", b"1"), add("b", kind=tarfile.DIRTYPE), add("b/c", b"2"))
    upper = tar_of(add("a", kind=tarfile.DIRTYPE), add("b", b"3"))
    with saved_tree(iter([saved(lower, upper)]), tmp_path, at="x") as tree:
        assert {path: entry.kind for path, entry in tree.items()} == {"a": EntryKind.DIRECTORY, "b": EntryKind.FILE}


HOSTILE: dict[str, bytes] = {
    "not an archive": b"nonsense" * 200,
    "empty": b"",
    "no manifest": tar_of(add("a", b"1")),
    "a manifest that is a folder": tar_of(add("manifest.json", kind=tarfile.DIRTYPE)),
    "a manifest that is not JSON": tar_of(add("manifest.json", b"{")),
    "a manifest that is a number": tar_of(add("manifest.json", b"7")),
    "a manifest of two images": tar_of(add("manifest.json", b"[{}, {}]")),
    "layers that are not there": tar_of(add("c"), add("manifest.json", b'[{"Config": "c", "Layers": ["x"]}]')),
    "a layer that links out": tar_of(
        add("c"),
        add("x", kind=tarfile.SYMTYPE, link="../../../etc/passwd"),
        add("manifest.json", b'[{"Config": "c", "Layers": ["x"]}]'),
    ),
    "a layer that links to itself": tar_of(
        add("c"), add("x", kind=tarfile.SYMTYPE, link="x"), add("manifest.json", b'[{"Config": "c", "Layers": ["x"]}]')
    ),
    "a layer that is a folder": tar_of(
        add("c"), add("x", kind=tarfile.DIRTYPE), add("manifest.json", b'[{"Config": "c", "Layers": ["x"]}]')
    ),
    "a layer that is no tar": saved(b"x" * 2000),
    "gzip that is cut off": saved(gzip.compress(tar_of(add("a", b"1" * 9000)))[:-20]),
    "gzip with a wrong sum": saved(gzip.compress(tar_of(add("a", b"1")))[:-8] + bytes(8)),
    "gzip with rubbish behind it": saved(gzip.compress(tar_of(add("a", b"1"))) + b"rubbish"),
    "a path that leads out": saved(tar_of(add("../a", b"1"))),
    "a path that leads out later": saved(tar_of(add("a/../../b", b"1"))),
    "a hard link that leads out": saved(tar_of(add("a", kind=tarfile.LNKTYPE, link="../../etc/passwd"))),
    "a hard link to nothing": saved(tar_of(add("a", kind=tarfile.LNKTYPE, link="b"))),
    "a hard link to a folder": saved(tar_of(add("d", kind=tarfile.DIRTYPE), add("a", kind=tarfile.LNKTYPE, link="d"))),
    "a device": saved(tar_of(add("a", kind=tarfile.CHRTYPE))),
    "a pipe": saved(tar_of(add("a", kind=tarfile.FIFOTYPE))),
    "a file longer than its layer": saved(tar_of(add("a", b"1" * 5000))[:1024]),
    "an archive that is cut off": saved(tar_of(add("a", b"1" * 50_000)))[:30_000],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing_behind(case: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with pytest.raises(EngineError):
        read(HOSTILE[case], scratch)
    assert list(tmp_path.iterdir()) == [scratch]
    assert list(scratch.iterdir()) == []


def test_absolute_paths_are_below_the_root(tmp_path: Path) -> None:
    assert read(saved(tar_of(add("/etc/x", b"1"))), tmp_path) == {"etc/x": b"1"}


def test_a_file_below_a_link_stays_in_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    layer = tar_of(add("l", kind=tarfile.SYMTYPE, link=str(outside)), add("l/a", b"1"))
    assert read(saved(layer), tmp_path / "scratch")["l/a"] == b"1"
    assert list(outside.iterdir()) == []


def test_the_last_of_two_entries_for_one_path_counts(tmp_path: Path) -> None:
    assert read(saved(tar_of(add("a", b"1"), add("a", b"2"))), tmp_path) == {"a": b"2"}


def test_zstd_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="compression is not supported"):
        read(saved(b"\x28\xb5\x2f\xfd" + bytes(100)), tmp_path)


def test_a_bomb_is_unpacked_in_pieces_and_removed(tmp_path: Path) -> None:
    bomb = gzip.compress(tar_of(add("a", bytes(64 << 20))))
    assert len(bomb) < 100_000
    with saved_tree(iter([saved(bomb)]), tmp_path, at="x") as tree:
        content = tree["a"].content
        assert content is not None
        assert max(len(chunk) for chunk in content.chunks()) <= 1 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_early_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    with pytest.raises(StoreError, match="ends early"):
        list(Slice(path=path, offset=2, size=10).chunks())


def test_a_slice_is_read_and_searched_from_its_own_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    with Slice(path=path, offset=3, size=4).opened() as file:
        assert (file.read(2), file.tell(), file.read(), file.read(1)) == (b"34", 2, b"56", b"")
        file.seek(1)
        assert file.read(2) == b"45"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused_and_never_leaves_its_place(tmp_path: Path, data: st.DataObject) -> None:
    layer = tar_of(
        add("d", kind=tarfile.DIRTYPE),
        add("d/a", b"one" * 300),
        add("l", kind=tarfile.SYMTYPE, link="d"),
        add("h", kind=tarfile.LNKTYPE, link="d/a"),
        add("d/.wh.b"),
        add("n" * 150, b"long"),
    )
    archive = bytearray(saved(layer, gzip.compress(layer, mtime=0)))
    for _ in range(data.draw(st.integers(1, 8))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(archive)))
    scratch = tmp_path / "scratch"
    for content in (bytes(archive), bytes(archive[:cut])):
        try:
            found = read(content, scratch)
        except KilnError:
            pass
        else:
            assert not [path for path in found if path.startswith("/") or ".." in path.split("/")]
        assert list(tmp_path.iterdir()) == [scratch]
        assert list(scratch.iterdir()) == []


def test_a_plain_layer_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "layer.tar"
    path.write_bytes(tar_of(add("a", b"1")))
    assert inflated(Slice.of(path), tmp_path / "aside") == Slice.of(path)
    tree: Tree = {}
    apply_layer(tree, Slice.of(path))
    assert list(tree) == ["a"]
