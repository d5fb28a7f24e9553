"""Rules on system libraries: wheels that trip each, and near-misses that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.base.model import BaseKind
from builder.check.finding import Finding
from builder.check.libraries import find_libraries
from tests.unit.check.elf_files import make_elf
from tests.unit.check.import_subjects import make_subject

GOMP = make_elf(needed=["libgomp.so.1", "libc.so.6"])
IMPORT = "import fast\n"


def found(tmp_path: Path, wheels: dict[str, Any], **given: Any) -> list[Finding]:
    script = given.pop("script", IMPORT)
    return list(find_libraries(make_subject(tmp_path, script, wheels=wheels, **given)))


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_missing_library_names_its_debian_package(tmp_path: Path) -> None:
    finding = only(found(tmp_path, {"fast": {"fast/__init__.py": "", "fast/lib/libfast.so": GOMP}}))
    assert (finding.rule.id, str(finding.severity)) == ("KILN151", "error")
    assert finding.message == (
        "fast needs libgomp.so.1, which is neither in a wheel, nor the base, nor a system package"
    )
    assert finding.remedy == "add libgomp1 to environment.system_packages"
    assert finding.place.detail == "fast: fast/lib/libfast.so"


@pytest.mark.parametrize(
    ("base", "package"),
    [("debian12-python3.11", "libglib2.0-0 "), ("debian13-python3.13", "libglib2.0-0t64 ")],
)
def test_the_package_is_that_of_the_bases_debian(tmp_path: Path, base: str, package: str) -> None:
    content = make_elf(needed=["libglib-2.0.so.0"])
    finding = only(found(tmp_path, {"fast": {"fast.abi3.so": content}}, base=base, python=base[-4:]))
    assert f"add {package}" in finding.remedy


def test_a_base_from_a_registry_takes_no_packages(tmp_path: Path) -> None:
    given = {"kind": BaseKind.REGISTRY, "base": "registry.example.com/python:3.11-slim"}
    finding = only(found(tmp_path, {"fast": {"fast.so": GOMP}}, **given))
    assert finding.remedy == "name a base that has libgomp.so.1 (Debian: libgomp1)"


@pytest.mark.parametrize(
    "wheels",
    [
        {"fast": {"fast.so": GOMP, "fast.libs/libgomp.so.1": make_elf()}},
        {"fast": {"fast.so": GOMP, "fast.libs/libgomp-a34b.so.1.0.0": make_elf(soname="libgomp.so.1")}},
        {"fast": {"fast.so": GOMP, "fast/libgomp.so.1": make_elf(needed=["libc.so.6"])[:100]}},
        {"fast": {"fast/__init__.py": "", "fast/tests/_test.so": GOMP}},
        {"fast": {"fast.py": "", "fast/arm.so": make_elf(needed=["libgomp.so.1"], machine=183)}},
        {"fast": {"fast.py": "", "fast/data.so": b"no library at all"}},
        {
            "fast": {"fast/_core.so": make_elf(needed=["libcudart.so.12"], runpath="$ORIGIN/../nvidia/cudart/lib")},
            "nvidia-cuda-runtime": {"nvidia/cudart/lib/libcudart.so.12": make_elf(soname="libcudart.so.12")},
        },
        {
            "fast": {"fast/_core.so": make_elf(needed=["libother.so"], rpath="${ORIGIN}/../other")},
            "other": {"other/libother.so": make_elf()},
        },
    ],
)
def test_a_library_that_is_found_is_no_finding(tmp_path: Path, wheels: dict[str, Any]) -> None:
    assert found(tmp_path, wheels) == []


def test_what_is_no_library_of_this_processor_is_not_the_one_that_is_needed(tmp_path: Path) -> None:
    for content in (b"no library at all", make_elf(machine=183), make_elf(machine=183)[:100]):
        finding = only(found(tmp_path, {"fast": {"fast.so": GOMP, "fast/libgomp.so.1": content}}))
        assert finding.rule.id == "KILN151"


def test_a_library_of_the_base_or_a_system_package_is_no_finding(tmp_path: Path) -> None:
    libraries = frozenset({"libc.so.6", "libgomp.so.1"})
    assert found(tmp_path, {"fast": {"fast.so": GOMP}}, base_libraries=libraries) == []


def test_nothing_is_told_where_the_base_is_not_known(tmp_path: Path) -> None:
    assert found(tmp_path, {"fast": {"fast.so": GOMP}}, base_libraries=frozenset()) == []


def test_a_library_of_another_wheel_is_a_note(tmp_path: Path) -> None:
    wheels = {"fast": {"fast.so": GOMP}, "torch": {"torch/lib/libgomp.so.1": make_elf()}}
    finding = only(found(tmp_path, wheels))
    assert (finding.rule.id, str(finding.severity)) == ("KILN152", "note")
    assert finding.remedy == "import torch first"


def test_what_only_a_plugin_needs_is_a_note(tmp_path: Path) -> None:
    wheels = {
        "fast": {
            "fast/__init__.py": "",
            "cv2/qt/plugins/platforms/libqxcb.so": make_elf(needed=["libQtXcb.so.5"]),
            "fast.libs/libQtXcb.so.5": make_elf(needed=["libSM.so.6"]),
            "fast.libs/libQtGui.so.5": make_elf(needed=["libGL.so.1"]),
            "fast/fast.abi3.so": make_elf(needed=["libQtGui.so.5"]),
        }
    }
    findings = {one.message.split()[2].rstrip(","): str(one.severity) for one in found(tmp_path, wheels)}
    assert findings == {"libSM.so.6": "note", "libGL.so.1": "error"}


def test_what_nothing_imports_is_a_warning(tmp_path: Path) -> None:
    finding = only(found(tmp_path, {"fast": {"fast.so": GOMP}}, script="import json\n"))
    assert str(finding.severity) == "warning"


def test_a_library_of_the_driver_comes_from_the_host(tmp_path: Path) -> None:
    finding = only(found(tmp_path, {"fast": {"fast.so": make_elf(needed=["libcuda.so.1"])}}))
    assert (finding.rule.id, str(finding.severity)) == ("KILN153", "note")


def test_opencv_with_windows_is_told_of_the_one_without(tmp_path: Path) -> None:
    wheels = {"opencv-python": {"cv2/__init__.py": "", "cv2/cv2.abi3.so": make_elf(needed=["libGL.so.1"])}}
    finding = only(found(tmp_path, wheels, script="import cv2\n"))
    assert "libgl1" in finding.remedy
    assert "opencv-python-headless" in finding.remedy


def test_cuda_that_is_not_locked_is_told_apart(tmp_path: Path) -> None:
    finding = only(found(tmp_path, {"fast": {"fast.so": make_elf(needed=["libcudart.so.12"])}}))
    assert "without CUDA" in finding.remedy
