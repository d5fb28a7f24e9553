from __future__ import annotations

import platform
import sys
from dataclasses import replace

import pytest
from packaging import tags
from packaging.markers import Marker

from builder.lock.target import Target
from builder.oci.platform import Platform
from tests.support.bundles import AMD64, ARM64, make_base

BOOKWORM = Target(python="3.11", platform=AMD64, glibc=(2, 36))


def test_platform_tags_run_from_the_newest_c_library_to_the_oldest() -> None:
    found = BOOKWORM.platform_tags()
    assert found[:3] == ("linux_x86_64", "manylinux_2_36_x86_64", "manylinux_2_35_x86_64")
    assert found[-2:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64")
    assert found.index("manylinux_2_17_x86_64") + 1 == found.index("manylinux2014_x86_64")


def test_arm_has_no_tags_older_than_its_first_manylinux() -> None:
    found = replace(BOOKWORM, platform=ARM64).platform_tags()
    assert found[0] == "linux_aarch64"
    assert found[-2:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64")


def test_platform_tags_are_those_an_interpreter_lists_for_itself() -> None:
    host = Platform.host()
    library, version = platform.libc_ver()
    assert host is not None
    assert library == "glibc"
    major, minor = (int(part) for part in version.split(".")[:2])
    assert list(replace(BOOKWORM, platform=host, glibc=(major, minor)).platform_tags()) == list(tags.platform_tags())


def test_target_of_a_base_has_its_python_and_c_library() -> None:
    assert Target.of_base(make_base(AMD64), AMD64) == BOOKWORM
    with pytest.raises(KeyError):
        Target.of_base(make_base(AMD64), ARM64)


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ('platform_machine == "x86_64"', True),
        ('platform_machine == "aarch64"', False),
        ('sys_platform == "win32"', False),
        ('python_version < "3.12"', True),
        ('python_full_version < "3.11.1"', True),
        ('platform_python_implementation == "CPython"', True),
        ('extra == "test"', False),
    ],
)
def test_markers_are_read_for_the_target_not_for_this_machine(marker: str, holds: bool) -> None:
    assert BOOKWORM.satisfies(Marker(marker)) is holds


def test_exact_python_of_a_base_may_be_told_apart_from_its_lock() -> None:
    exact = Target.of_base(make_base(AMD64), AMD64, python="3.11.2")
    assert (exact.release, exact.minor, exact.abi) == ("3.11.2", "3.11", "cp311")
    assert BOOKWORM.release == "3.11.0"


def test_exact_python_decides_markers_about_patch_releases() -> None:
    exact = replace(BOOKWORM, python="3.11.2")
    assert not exact.satisfies(Marker('python_full_version < "3.11.1"'))
    assert (exact.minor, exact.abi) == ("3.11", "cp311")


def test_extra_marker_holds_for_the_extra_asked_for() -> None:
    assert BOOKWORM.satisfies(Marker('extra == "test"'), extra="test")
    assert BOOKWORM.satisfies(None)


def test_this_interpreter_serves_only_a_target_it_cannot_outrun(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Platform.host()
    assert host is not None
    monkeypatch.setattr("builder.lock.target.host_platform.libc_ver", lambda: ("glibc", "2.36"))
    here = Target(python=f"{sys.version_info.major}.{sys.version_info.minor}", platform=host, glibc=(2, 36))
    assert here.is_host()
    assert replace(here, glibc=(2, 41)).is_host()
    assert not replace(here, glibc=(2, 31)).is_host(), "a newer glibc here would let in wheels the target cannot load"
    assert not replace(here, python="3.99").is_host()
    assert not replace(here, platform=ARM64 if host == AMD64 else AMD64).is_host()
    monkeypatch.setattr("builder.lock.target.host_platform.libc_ver", lambda: ("", ""))
    assert not here.is_host()
