from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.pipeline.base_content import BaseContent, read_base_content
from builder.store.blobs import BlobStore

PATHS = (
    "usr/lib/x86_64-linux-gnu/libgomp.so.1",
    "./usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0",
    "lib64/ld-linux-x86-64.so.2",
    "usr/local/lib/libpython3.11.so.1.0",
    "usr/lib/python3.11/json/__init__.py",
    "usr/lib/python3.11/json/decoder.py",
    "usr/local/lib/python3.11/os.py",
    "usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so",
    "usr/lib/python3.11/test/test_json.py",
    "usr/local/lib/python3.11/site-packages/numpy/__init__.py",
    "usr/lib/python3.11/os.pyc",
    "usr/share/doc/libgomp1/copyright",
    "opt/app/plugin.so",
)


def make_layer(store: BlobStore, content: bytes) -> Layer:
    digest = store.add(content)
    return Layer(
        descriptor=Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=digest, size=len(content)),
        diff_id=Digest.of(b"diff" + content),
        title="base",
    )


def archive(paths: tuple[str, ...]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in paths:
            tar.addfile(tarfile.TarInfo(path))
    return gzip.compress(out.getvalue())


def test_libraries_and_standard_modules_are_told_by_their_paths(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    content = read_base_content([make_layer(store, archive(PATHS))], (), store)
    assert content.libraries == {
        "libgomp.so.1",
        "libgomp.so.1.0.0",
        "ld-linux-x86-64.so.2",
        "libpython3.11.so.1.0",
    }
    assert content.modules == {"json", "json.decoder", "os", "_json"}


def test_layers_add_up_and_are_read_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    layers = [make_layer(store, archive(PATHS[:1])), make_layer(store, archive(("usr/lib/libz.so.1",)))]
    first = read_base_content(layers, (), store)
    assert first.libraries == {"libgomp.so.1", "libz.so.1"}
    for layer in layers:
        store.path(layer.descriptor.digest).unlink()
    assert read_base_content(layers, (), store) == first


def test_where_a_layer_is_no_archive_nothing_is_known(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    layers = [make_layer(store, archive(PATHS)), make_layer(store, b"no archive")]
    assert read_base_content(layers, (), store) == BaseContent()
