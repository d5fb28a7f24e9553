from __future__ import annotations

from pathlib import Path
from typing import Any

from builder.check import wheel_index
from builder.check.wheel_index import index_wheel, index_wheels, module_source
from tests.unit.check.elf_files import make_elf
from tests.unit.check.import_subjects import make_subject, requires, write_wheel


class Remembered:
    """A memory that counts."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.hits = 0

    def get(self, key: Any) -> Any:
        self.hits += repr(key) in self.values
        return self.values.get(repr(key))

    def put(self, key: Any, value: Any) -> None:
        self.values[repr(key)] = value


FILES = {
    "demo/__init__.py": "",
    "demo/deep/inner.py": "",
    "demo/_fast.cpython-311-x86_64-linux-gnu.so": make_elf(needed=["libz.so.1"], runpath="$ORIGIN/../demo.libs"),
    "demo/__pycache__/x.cpython-311.pyc": "",
    "demo/data-files/no-module.py": "",
    "demo.libs/libz.so.1.3": make_elf(soname="libz.so.1"),
    "demo-1.0.data/platlib/other.py": "",
    "demo-1.0.data/scripts/run.py": "",
    "single.py": "x = 1\n",
    "demo.pth": "import os\n",
    **requires("numpy>=1", "tomli; python_version < '3.11'"),
}


def test_modules_are_what_can_be_imported_once_it_is_installed(tmp_path: Path) -> None:
    index = index_wheel(write_wheel(tmp_path, "demo", FILES))
    assert index.modules == {"demo", "demo.deep.inner", "demo._fast", "other", "single"}
    assert index.importable == index.modules | {"demo.deep"}
    assert index.packages == {"demo"}
    assert index.extensions == {"demo._fast"}
    assert index.top_level == {"demo", "other", "single"}
    assert index.requires == ("numpy>=1", "tomli; python_version < '3.11'")


def test_shared_libraries_are_read(tmp_path: Path) -> None:
    bundled, fast = index_wheel(write_wheel(tmp_path, "demo", FILES)).libraries
    assert (bundled.path, bundled.soname, bundled.needed) == ("demo.libs/libz.so.1.3", "libz.so.1", ())
    assert (fast.needed, fast.search) == (("libz.so.1",), ("$ORIGIN/../demo.libs",))


def test_a_wheel_is_read_once_and_remembered(tmp_path: Path) -> None:
    memory = Remembered()
    subject = make_subject(tmp_path, "", wheels={"demo": FILES}, memory=memory)
    first = index_wheels(subject)
    assert memory.hits == 0
    wheel_index._known.clear()
    second = index_wheels(subject)
    assert memory.hits == 1
    assert second == first


def test_a_damaged_record_costs_only_the_work(tmp_path: Path) -> None:
    memory = Remembered()
    subject = make_subject(tmp_path, "", wheels={"demo": FILES}, memory=memory)
    first = index_wheels(subject)
    for damaged in ("text", {"modules": []}, {"modules": 1}):
        wheel_index._known.clear()
        memory.values = dict.fromkeys(memory.values, damaged)
        assert index_wheels(subject) == first


def test_an_archive_that_is_none_brings_nothing(tmp_path: Path) -> None:
    path = tmp_path / "demo.whl"
    path.write_bytes(b"no archive")
    assert index_wheel(path).modules == frozenset()
    assert module_source(path, "demo") is None


def test_a_modules_source_is_read_from_the_archive(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, "demo", FILES)
    assert module_source(path, "single") == b"x = 1\n"
    assert module_source(path, "demo") == b""
    assert module_source(path, "demo.deep") is None
