from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from builder.engine.saved import saved_tree
from builder.errors import EngineError
from builder.oci.entry import Entry, EntryKind

Member = tuple[str, str, bytes | str]


def layer(*members: Member) -> bytes:
    """Make a layer: ``(path, kind, content or target)``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, kind, content in members:
            info = tarfile.TarInfo(path)
            info.type = {
                "file": tarfile.REGTYPE,
                "folder": tarfile.DIRTYPE,
                "symlink": tarfile.SYMTYPE,
                "hardlink": tarfile.LNKTYPE,
                "device": tarfile.CHRTYPE,
            }[kind]
            info.mode = 0o755 if kind == "folder" else 0o644
            if isinstance(content, str):
                info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archive(*layers: bytes, extra: dict[str, str] | None = None, names: list[str] | None = None) -> list[bytes]:
    buffer = io.BytesIO()
    names = names or [f"{number}/layer.tar" for number in range(len(layers))]
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, content in enumerate(layers):
            info = tarfile.TarInfo(f"{number}/layer.tar")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (extra or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("x.json"), io.BytesIO(b""))
        manifest = json.dumps([{"Config": "x.json", "Layers": names}]).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    data = buffer.getvalue()
    return [data[place : place + 4096] for place in range(0, len(data), 4096)]


def text_of(entry: Entry) -> str:
    assert entry.content is not None
    return b"".join(entry.content.chunks()).decode()


def test_later_layers_replace_and_whiteouts_remove(tmp_path: Path) -> None:
    lower = layer(
        ("etc", "folder", b""),
        ("etc/a", "file", b"1"),
        ("etc/b", "file", b"1"),
        ("opt", "folder", b""),
        ("opt/x/y", "file", b"1"),
    )
    upper = layer(("etc/a", "file", b"2"), ("etc/.wh.b", "file", b""), (".wh.opt", "file", b""))
    with saved_tree(archive(lower, upper), tmp_path, at="image") as tree:
        assert sorted(tree) == ["etc", "etc/a"]
        assert text_of(tree["etc/a"]) == "2"


def test_an_opaque_whiteout_empties_a_folder_and_keeps_it(tmp_path: Path) -> None:
    lower = layer(("etc", "folder", b""), ("etc/a", "file", b"1"))
    upper = layer(("etc/.wh..wh..opq", "file", b""), ("etc/b", "file", b"2"))
    with saved_tree(archive(lower, upper), tmp_path, at="image") as tree:
        assert sorted(tree) == ["etc", "etc/b"]


def test_a_hard_link_is_a_file_with_the_same_content_and_a_symlink_stays_one(tmp_path: Path) -> None:
    only = layer(("a", "file", b"same"), ("b", "hardlink", "a"), ("c", "symlink", "../a"))
    with saved_tree(archive(only), tmp_path, at="image") as tree:
        assert text_of(tree["b"]) == "same"
        assert (tree["c"].kind, tree["c"].link) == (EntryKind.SYMLINK, "../a")


def test_compressed_layers_and_links_to_layers_are_followed(tmp_path: Path) -> None:
    only = gzip.compress(layer(("a", "file", b"1")))
    chunks = archive(only, extra={"again/layer.tar": "../0/layer.tar"}, names=["again/layer.tar"])
    with saved_tree(chunks, tmp_path, at="image") as tree:
        assert text_of(tree["a"]) == "1"


def test_a_folder_that_becomes_a_file_takes_what_was_in_it_along(tmp_path: Path) -> None:
    with saved_tree(
        archive(layer(("a", "folder", b""), ("a/b", "file", b"1")), layer(("a", "file", b"2"))), tmp_path, at="image"
    ) as tree:
        assert sorted(tree) == ["a"]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"no archive"],
        [b""],
        archive(layer(("a", "device", b""))),
        archive(layer(("../escape", "file", b"1"))),
        archive(layer(("/etc/../../x", "file", b"1"))),
        archive(layer(("b", "hardlink", "nowhere"))),
        archive(layer(("a", "file", b"1")), names=["missing/layer.tar"]),
        archive(gzip.compress(layer(("a", "file", b"1")))[:40]),
        archive(layer(("a", "file", b"1")), extra={"up/layer.tar": "../../../../etc/passwd"}, names=["up/layer.tar"]),
    ],
    ids=["text", "empty", "device", "parent", "absolute", "dangling", "missing", "truncated", "outside"],
)
def test_an_archive_that_cannot_be_read_is_refused_and_nothing_stays(chunks: list[bytes], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"), saved_tree(chunks, tmp_path / "aside", at="image"):
        pass
    assert list((tmp_path / "aside").iterdir()) == []
