from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.bundle import inventory
from builder.bundle.inventory import take_inventory
from builder.bundle.model import Bundle, Inventory
from builder.bundle.parser import load_bundle
from builder.errors import BundleError, Fault, StoreError
from builder.oci.digest import Digest

TEXT = """\
name: churn
version: 1.0.0
model: {path: model}
scoring: {script: score.py, sources: [lib, score.py, lib/deep]}
environment: {python: "3.11", requirements: []}
"""
LATER = 4_000_000_000.0

WriteBundle = Callable[..., Path]


class Notes:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: Any) -> Any | None:
        return self.values.get(repr(key))

    def put(self, key: Any, value: Any) -> None:
        self.values[repr(key)] = value


@pytest.fixture
def bundle(write_bundle: WriteBundle) -> Bundle:
    files = {
        "model/m.json": "m",
        "model/b/weights": "w",
        "score.py": "def load(d): ...\ndef predict(m, r): ...\n",
        "lib/a.py": "a",
        "lib/deep/b.py": "b",
    }
    return load_bundle(write_bundle(TEXT, files))


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    (tmp_path / "runtime" / "server").mkdir(parents=True)
    (tmp_path / "runtime" / "entry.py").write_text("entry")
    (tmp_path / "runtime" / "server" / "app.py").write_text("app")
    return tmp_path / "runtime"


def take(bundle: Bundle, runtime: Path, memory: Notes | None = None, now: float = LATER) -> Inventory:
    return take_inventory(bundle, runtime, memory=memory, now=lambda: now)


def refuse(bundle: Bundle, runtime: Path) -> tuple[Fault, ...]:
    with pytest.raises(BundleError) as caught:
        take(bundle, runtime)
    return caught.value.faults


def test_every_file_is_hashed_once_and_sorted_by_path(bundle: Bundle, runtime: Path) -> None:
    found = take(bundle, runtime)
    assert [file.path for file in found.model] == ["model/b/weights", "model/m.json"]
    assert [file.path for file in found.code] == ["lib/a.py", "lib/deep/b.py", "score.py"]
    assert [file.path for file in found.runtime] == ["entry.py", "server/app.py"]
    assert (found.model[0].digest, found.model[0].size) == (Digest.of(b"w"), 1)


def test_caches_outputs_and_locks_are_left_out(bundle: Bundle, runtime: Path, write_bundle: WriteBundle) -> None:
    before = take(bundle, runtime)
    root = bundle.root
    for name in ("lib/__pycache__/a.pyc", "lib/a.pyc", "lib/a.pyo", "lib/.git/HEAD", "build/x", "model/__pycache__/x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("left out")
    (runtime / "__pycache__").mkdir()
    (runtime / "__pycache__" / "entry.cpython-311.pyc").write_text("left out")
    assert take(bundle, runtime) == before
    (root / "lib" / "build").mkdir()
    (root / "lib" / "build" / "kept.py").write_text("the author's own")
    (root / "lib" / "bundle.lock").write_text("the author's own")
    assert len(take(bundle, runtime).code) == len(before.code) + 2


def test_the_executable_bit_is_kept(bundle: Bundle, runtime: Path) -> None:
    (bundle.root / "lib" / "a.py").chmod(0o755)
    assert [file.is_executable for file in take(bundle, runtime).code] == [True, False, False]


def test_links_inside_are_followed(bundle: Bundle, runtime: Path) -> None:
    (bundle.root / "shared").mkdir()
    (bundle.root / "shared" / "s.py").write_text("s")
    (bundle.root / "lib" / "folder").symlink_to("../shared")
    (bundle.root / "lib" / "file.py").symlink_to("../shared/s.py")
    found = {file.path: file.digest for file in take(bundle, runtime).code}
    assert found["lib/folder/s.py"] == found["lib/file.py"] == Digest.of(b"s")


def test_every_file_that_cannot_be_taken_is_told_at_once(bundle: Bundle, runtime: Path) -> None:
    lib = bundle.root / "lib"
    (bundle.root.parent / "secret").write_text("s")
    (lib / "1-out").symlink_to("../../secret")
    (lib / "2-gone").symlink_to("nowhere")
    (lib / "3-up").symlink_to("..")
    (lib / "4-self").symlink_to("4-self")
    os.mkfifo(lib / "5-pipe")
    (lib / "6-line\nbreak").write_text("x")
    (lib.as_posix().encode() and Path(os.fsdecode(os.fsencode(lib) + b"/7-\xff"))).write_text("x")
    faults = refuse(bundle, runtime)
    facts = {fault.at: fault.fact for fault in faults}
    assert "leads out of the bundle through a symlink" in facts["lib/1-out"]
    assert "cannot be looked up" in facts["lib/2-gone"]
    assert any("circle" in fact for at, fact in facts.items() if (at or "").startswith("lib/3-up"))
    assert "lib/4-self" in facts
    assert facts["lib/5-pipe"] == "not a file or folder"
    assert "control character" in facts["lib/6-line\\nbreak"]
    assert "UTF-8" in facts["lib/7-\\udcff"]


def test_a_socket_is_refused(bundle: Bundle, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.root / "model")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        (fault,) = refuse(bundle, runtime)
    assert (fault.at, fault.got) == ("model/s", "a socket")


def test_a_file_that_went_away_is_a_fault(bundle: Bundle, runtime: Path) -> None:
    (bundle.root / "score.py").unlink()
    (fault,) = refuse(bundle, runtime)
    assert fault.at == "score.py"


def test_a_model_folder_emptied_meanwhile_is_a_fault(bundle: Bundle, runtime: Path) -> None:
    for path in (bundle.root / "model/m.json", bundle.root / "model/b/weights"):
        path.unlink()
    (fault,) = refuse(bundle, runtime)
    assert fault.fact == "model holds no files"


def test_an_unchanged_file_is_hashed_once(bundle: Bundle, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()
    first = take(bundle, runtime, notes)

    def never(path: Path) -> Digest:
        raise AssertionError(path)

    monkeypatch.setattr(inventory, "_digest", never)
    assert take(bundle, runtime, notes) == first


def test_a_changed_file_is_hashed_again(bundle: Bundle, runtime: Path) -> None:
    notes = Notes()
    take(bundle, runtime, notes)
    path = bundle.root / "model/m.json"
    status = path.stat()
    path.write_text("M")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert take(bundle, runtime, notes).model[1].digest == Digest.of(b"M")


def test_a_file_written_just_now_is_not_remembered(bundle: Bundle, runtime: Path) -> None:
    notes = Notes()
    take(bundle, runtime, notes, now=(bundle.root / "score.py").stat().st_ctime + 0.001)
    assert notes.values == {}


def test_a_damaged_or_refused_record_only_costs_the_work(bundle: Bundle, runtime: Path) -> None:
    class Broken(Notes):
        def get(self, key: Any) -> Any | None:
            return "not a digest"

        def put(self, key: Any, value: Any) -> None:
            raise StoreError.of("disk full")

    assert take(bundle, runtime, Broken()) == take(bundle, runtime)


def test_a_file_that_changes_while_it_is_read_is_a_fault(
    bundle: Bundle, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = inventory._digest

    def meddle(path: Path) -> Digest:
        digest = real(path)
        if path.name == "m.json":
            path.write_text("something longer")
        return digest

    monkeypatch.setattr(inventory, "_digest", meddle)
    (fault,) = refuse(bundle, runtime)
    assert (fault.at, fault.fact) == ("model/m.json", "file changed while it was read")


def test_a_long_hash_is_announced(bundle: Bundle, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "_LARGE", 2)
    said: list[str] = []
    take_inventory(bundle, runtime, now=lambda: LATER, progress=said.append)
    assert "hashing score.py" in said
