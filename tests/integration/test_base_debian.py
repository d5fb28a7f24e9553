"""The real bases, locked afresh from this machine's mirror, so that a superseded package breaks nothing."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builder.base.assembled import (
    DEFAULT_BASES,
    BaseImage,
    base_entries,
    fetch_base,
    fetch_system_packages,
    load_base,
    lock_base,
    resolve_system_packages,
    system_entries,
)
from builder.base.loader import tree_command
from builder.errors import BaseImageError, ResolutionError
from builder.host.resources import resource_dir
from builder.host.settings import Settings, load_settings
from builder.oci.entry import Entry, EntryKind
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

pytestmark = pytest.mark.mirror
HOST = Platform.host() or Platform("linux", "amd64")
OTHER = Platform("linux", "arm64" if HOST.architecture == "amd64" else "amd64")


@dataclass(frozen=True)
class Fresh:
    base: BaseImage
    store: BlobStore
    settings: Settings


@pytest.fixture(scope="module", params=sorted(DEFAULT_BASES.values()))
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(resource_dir("base-images"), folder / "base-images")
    settings = replace(load_settings(), home=folder / "home")
    (folder / "base-images" / request.param / "lock.json").unlink()
    lock_base(request.param, settings, root=folder / "base-images")
    base = load_base(request.param, root=folder / "base-images")
    store = BlobStore(settings.store)
    fetch_base(base, [HOST, OTHER], store, settings)
    return Fresh(base, store, settings)


def unpack(entries: Sequence[Entry], root: Path) -> None:
    """Write a tree the simplest way there is; the code that writes layers has tests of its own."""
    for entry in entries:
        path = root / entry.path
        if entry.kind is EntryKind.DIRECTORY:
            path.mkdir(parents=True, exist_ok=True)
        elif entry.kind is EntryKind.SYMLINK:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(entry.link)
        elif entry.content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(entry.content.chunks()))
            path.chmod(entry.mode)


def summary(entries: Sequence[Entry]) -> list[tuple[object, ...]]:
    return [
        (entry.path, entry.kind, entry.mode, entry.link, hash(b"".join(entry.content.chunks())) if entry.content else 0)
        for entry in entries
    ]


def run_python(root: Path, base: BaseImage, code: str) -> object:
    command = tree_command(root, base.interpreter, HOST)
    done = subprocess.run(
        [*command.argv, "-S", "-c", code], env=dict(command.env), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
known = {"antigravity", "this", "turtle", "sitecustomize", "_distutils_system_mod", "_ios_support", "_android_support"}
bad = {}
roots = [path for path in sys.path if path.rstrip("/").endswith(("lib-dynload", "python%s"))]
names = sorted({module.name for module in pkgutil.iter_modules(roots)} - known)
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        bad[name] = repr(error)
import ssl
context = ssl.create_default_context(cafile="%s/etc/ssl/certs/ca-certificates.crt")
authorities = context.cert_store_stats()["x509_ca"]
print(json.dumps({"bad": bad, "count": len(names), "authorities": authorities, "cached": json.__cached__}))
"""


def test_the_interpreter_runs_and_its_whole_library_can_be_imported(fresh: Fresh, tmp_path: Path) -> None:
    entries = base_entries(fresh.base, HOST, fresh.store)
    unpack(entries, tmp_path)
    assert not (tmp_path / "usr/bin/sh").exists()
    code = IMPORT_EVERYTHING % (fresh.base.python, tmp_path)
    answer = run_python(tmp_path, fresh.base, code)
    assert isinstance(answer, dict)
    assert answer["bad"] == {}
    assert answer["count"] > 200
    assert answer["authorities"] > 100
    assert (tmp_path / str(answer["cached"])).is_file()


def test_a_base_is_small(fresh: Fresh) -> None:
    entries = base_entries(fresh.base, HOST, fresh.store)
    assert sum(entry.content.size for entry in entries if entry.content) < 60_000_000
    assert not [entry.path for entry in entries if entry.mode & 0o6000]


def test_two_runs_in_two_stores_give_the_same_tree(fresh: Fresh, tmp_path: Path) -> None:
    another = BlobStore(tmp_path / "another")
    for deb in fresh.base.lock.on(HOST).debs:
        another.add_file(fresh.store.path(deb.digest), expected=deb.digest)
    assert summary(base_entries(fresh.base, HOST, another)) == summary(base_entries(fresh.base, HOST, fresh.store))


def test_the_other_architecture_has_the_same_bytecode(fresh: Fresh) -> None:
    def bytecode(platform: Platform) -> dict[str, object]:
        entries = base_entries(fresh.base, platform, fresh.store)
        return {str(row[0]): row[4] for row in summary(entries) if str(row[0]).endswith(".pyc")}

    mine, other = bytecode(HOST), bytecode(OTHER)
    assert len(mine) == len(other) > 400
    assert {path for path in mine.keys() & other.keys() if mine[path] != other[path]} == set()


def test_a_system_library_loads_from_its_layer(fresh: Fresh, tmp_path: Path) -> None:
    debs = resolve_system_packages(["libgomp1"], fresh.base, HOST, fresh.settings)
    fetch_system_packages(debs, fresh.store, fresh.settings)
    entries = system_entries(fresh.base, HOST, debs, fresh.store)
    unpack(base_entries(fresh.base, HOST, fresh.store), tmp_path)
    unpack([entry for entry in entries if entry.kind is not EntryKind.DIRECTORY], tmp_path)
    code = "import ctypes; print(ctypes.CDLL('libgomp.so.1').omp_get_max_threads())"
    assert isinstance(run_python(tmp_path, fresh.base, code), int)
    assert "var/lib/dpkg/status.d/libgomp1" in [entry.path for entry in entries]


def test_a_misspelt_system_package_is_answered_with_close_names(fresh: Fresh) -> None:
    with pytest.raises(ResolutionError) as caught:
        resolve_system_packages(["libgomp"], fresh.base, HOST, fresh.settings)
    assert "libgomp1" in caught.value.render()


def test_a_package_whose_scripts_matter_is_refused(fresh: Fresh) -> None:
    debs = resolve_system_packages(["libopenblas0-pthread"], fresh.base, HOST, fresh.settings)
    fetch_system_packages(debs, fresh.store, fresh.settings)
    with pytest.raises(BaseImageError) as caught:
        system_entries(fresh.base, HOST, debs, fresh.store)
    assert "update-alternatives" in caught.value.render()


def test_the_committed_lock_is_of_the_same_definition_as_a_fresh_one(fresh: Fresh) -> None:
    committed = load_base(fresh.base.name)
    assert committed.definition == fresh.base.definition
    assert committed.platforms == fresh.base.platforms
    assert [committed.glibc(platform) for platform in (HOST, OTHER)] == [
        fresh.base.glibc(platform) for platform in (HOST, OTHER)
    ]
