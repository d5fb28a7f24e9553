"""Whole bases made of small packages; their loader is a script that starts this machine's own interpreter."""

import marshal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_debs import deb_of, files, member, stored_deb

from builder.base.assembled import (
    DEFAULT_BASES,
    BaseImage,
    base_entries,
    fetch_base,
    fetch_system_packages,
    known_bases,
    load_base,
    lock_base,
    needed_debs,
    system_entries,
)
from builder.base.definition import read_definition
from builder.base.lockfile import BaseLock, LockedDebs
from builder.errors import BaseImageError, FetchError, KilnError
from builder.host.settings import Settings
from builder.oci.entry import Entry
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
LOADER = f'#!/bin/sh\nunset PYTHONHOME\nshift 4\nexec "{sys.executable}" "$@"\n'
LIBC = [
    member("./lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", LOADER.encode(), mode=0o755),
    member("./lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", LOADER.encode(), mode=0o755),
    *files({"usr/share/libc-bin/nsswitch.conf": b"hosts: files dns\n"}),
]
PYTHON = {
    "usr/bin/python3.11": b"ELF",
    "usr/lib/python3.11/os.py": b"name = 'posix'\n",
    "usr/lib/python3.11/json/__init__.py": b"x = 1\n",
    "usr/lib/python3.11/broken.py": b"print 'two'\n",
}


@pytest.fixture
def make_base(bases: Path) -> Callable[..., BaseImage]:
    def make(store: BlobStore, **changes: list) -> BaseImage:
        definition = read_definition("tiny", bases / "tiny/definition.yaml")
        contents = {
            "libc6": LIBC,
            "python3.11-minimal": files(PYTHON),
            "ca-certificates": files({"usr/share/ca-certificates/mozilla/A.crt": b"A\n"}),
        } | changes
        debs = tuple(stored_deb(store, deb_of(name, data=data), name) for name, data in sorted(contents.items()))
        platforms = tuple(LockedDebs(platform=one, glibc=(2, 36), debs=debs) for one in (AMD64, ARM64))
        lock = BaseLock(name="tiny", python="3.11.2", definition=definition.digest, suites=(), platforms=platforms)
        return BaseImage(definition=definition, lock=lock)

    return make


def summary(entries: tuple[Entry, ...]) -> list[tuple[object, ...]]:
    return [
        (entry.path, entry.kind, entry.mode, entry.link, b"".join(entry.content.chunks()) if entry.content else None)
        for entry in entries
    ]


def bytes_of(entries: tuple[Entry, ...], path: str) -> bytes:
    entry = next(entry for entry in entries if entry.path == path)
    assert entry.content is not None
    return b"".join(entry.content.chunks())


def test_the_bases_that_come_with_the_tool_are_locked_for_both_platforms() -> None:
    assert set(DEFAULT_BASES.values()) <= set(known_bases())
    for python, name in DEFAULT_BASES.items():
        base = load_base(name)
        assert base.python == python
        assert base.lock.python.startswith(f"{python}.")
        assert base.interpreter == f"/usr/bin/python{python}"
        assert base.platforms == (AMD64, ARM64)
        assert {base.glibc(platform) for platform in base.platforms} == {(2, 36) if python == "3.11" else (2, 41)}
        assert ("LANG", "C.UTF-8") in base.env


def test_an_unknown_base_lists_the_known_ones() -> None:
    with pytest.raises(BaseImageError) as caught:
        load_base("debian99-python4.0")
    assert "debian12-python3.11" in caught.value.render()


def test_a_base_is_a_tree_with_its_standard_library_compiled(
    store: BlobStore, make_base: Callable[..., BaseImage]
) -> None:
    notes: list[str] = []
    entries = base_entries(make_base(store), AMD64, store, progress=notes.append)
    paths = [entry.path for entry in entries]
    assert "usr/lib/python3.11/json/__pycache__/__init__.cpython-311.pyc" in paths
    assert "usr/lib/python3.11/__pycache__/broken.cpython-311.pyc" not in paths
    code = marshal.loads(bytes_of(entries, "usr/lib/python3.11/__pycache__/os.cpython-311.pyc")[16:])
    assert code.co_filename == "/usr/lib/python3.11/os.py"
    assert {"usr/bin/python3", "etc/passwd", "var/lib/dpkg/status.d/libc6", "lib"} <= set(paths)
    assert any("compiling" in note for note in notes)


def test_a_base_is_the_same_in_every_store_and_on_every_run(
    tmp_path: Path, make_base: Callable[..., BaseImage]
) -> None:
    stores = [BlobStore(tmp_path / name) for name in ("one", "another")]
    first, second = (summary(base_entries(make_base(store), AMD64, store)) for store in stores)
    again = summary(base_entries(make_base(stores[0]), AMD64, stores[0]))
    assert first == second == again


def test_bytecode_is_made_once(store: BlobStore, make_base: Callable[..., BaseImage], tmp_path: Path) -> None:
    base = make_base(store)
    first = summary(base_entries(base, AMD64, store))
    without_loader = make_base(store, libc6=LIBC[2:])
    assert [row for row in summary(base_entries(without_loader, AMD64, store)) if "__pycache__" in str(row[0])] == [
        row for row in first if "__pycache__" in str(row[0])
    ]


def test_another_platforms_bytecode_is_made_by_this_machines_interpreter(
    store: BlobStore, make_base: Callable[..., BaseImage]
) -> None:
    base = make_base(store)
    arm = base_entries(base, ARM64, store)
    amd = base_entries(base, AMD64, store)
    path = "usr/lib/python3.11/__pycache__/os.cpython-311.pyc"
    assert bytes_of(arm, path) == bytes_of(amd, path)
    assert set(needed_debs(base, [ARM64])) == set(base.lock.on(ARM64).debs) | set(base.lock.on(AMD64).debs)


def test_an_interpreter_that_fails_is_an_error_with_what_it_said(
    store: BlobStore, make_base: Callable[..., BaseImage]
) -> None:
    script = b"#!/bin/sh\necho no such instruction >&2\nexit 3\n"
    broken = [
        member("./lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", script, mode=0o755),
        member("./lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", script, mode=0o755),
    ]
    with pytest.raises(BaseImageError) as caught:
        base_entries(make_base(store, libc6=broken), AMD64, store)
    assert "exit 3" in caught.value.render()
    assert "no such instruction" in caught.value.render()
    assert list((store.root / "aside").iterdir()) == []


def test_a_base_without_a_loader_is_refused(store: BlobStore, make_base: Callable[..., BaseImage]) -> None:
    with pytest.raises(BaseImageError, match="loader"):
        base_entries(make_base(store, libc6=LIBC[2:]), AMD64, store)


def test_a_machine_that_cannot_run_the_base_says_so(
    store: BlobStore, make_base: Callable[..., BaseImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(store)
    monkeypatch.setattr(Platform, "host", classmethod(lambda _: None))
    with pytest.raises(BaseImageError, match="cannot be made on this machine"):
        base_entries(base, AMD64, store)


def test_system_packages_are_a_layer_on_the_base(store: BlobStore, make_base: Callable[..., BaseImage]) -> None:
    base = make_base(store)
    content = deb_of(
        "libgomp1", data=files({"lib/x86_64-linux-gnu/libgomp.so.1": b"so", "usr/bin/python3": "-> python3.11"})
    )
    deb = stored_deb(store, content, "libgomp1")
    entries = system_entries(base, AMD64, [deb], store)
    assert [entry.path for entry in entries] == [
        "usr/lib/x86_64-linux-gnu/libgomp.so.1",
        "var/lib/dpkg/status.d/libgomp1",
        "var/lib/dpkg/status.d/libgomp1.md5sums",
    ]
    assert system_entries(base, AMD64, [], store) == ()


def test_a_system_package_that_needs_its_script_is_refused(
    store: BlobStore, make_base: Callable[..., BaseImage]
) -> None:
    content = deb_of("daemon", scripts={"postinst": "#!/bin/sh\nadduser daemon\n"})
    with pytest.raises(BaseImageError, match="package daemon needs its maintainer script"):
        system_entries(make_base(store), AMD64, [stored_deb(store, content, "daemon")], store)


def test_a_locked_base_is_fetched_once_and_then_offline(
    bases: Path, make_settings: Callable[..., Settings], store: BlobStore, tmp_path: Path
) -> None:
    lock_base("tiny", make_settings(), root=bases)
    base = load_base("tiny", root=bases)
    fetch_base(base, [AMD64], store, make_settings())
    nowhere = (tmp_path / "nowhere").as_uri()
    offline = make_settings(debian_mirror=nowhere, debian_security_mirror=nowhere)
    fetch_base(base, [AMD64], store, offline)
    fetch_system_packages(base.lock.on(AMD64).debs, store, offline)
    with pytest.raises(FetchError, match="is gone from the mirror") as caught:
        fetch_base(base, [AMD64, ARM64], BlobStore(tmp_path / "empty"), offline)
    assert "kiln base lock tiny" in caught.value.render()


def test_a_base_that_was_not_fetched_is_an_error_of_the_store(
    tmp_path: Path, make_base: Callable[..., BaseImage], store: BlobStore
) -> None:
    with pytest.raises(KilnError):
        base_entries(make_base(store), AMD64, BlobStore(tmp_path / "empty"))
