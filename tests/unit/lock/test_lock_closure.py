from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from builder.errors import FetchError
from builder.lock.closure import missing_dependencies, python_refusals
from builder.lock.model import LockedWheel
from builder.lock.target import Target
from builder.store.blobs import BlobStore
from tests.support.bundles import AMD64
from tests.support.package_index import wheel_bytes

TARGET = Target(python="3.11", platform=AMD64, glibc=(2, 36))


def put(
    store: BlobStore,
    name: str,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    python: str | None = None,
) -> LockedWheel:
    filename, content = wheel_bytes(name, version, requires=requires, python=python)
    return LockedWheel(name=name, version=version, filename=filename, size=len(content), digest=store.add(content))


def gaps(store: BlobStore, *wheels: LockedWheel, wanted: tuple[str, ...] = ()) -> list[str]:
    faults = missing_dependencies(wheels, TARGET, store, wanted=[Requirement(text) for text in wanted])
    return [f"{fault.want} / {fault.got}" for fault in faults]


def test_wheels_that_need_nothing_more_have_no_gaps(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    top = put(store, "top", requires=("leaf>=1", 'other; sys_platform == "win32"', 'more; extra == "full"'))
    assert gaps(store, top, put(store, "leaf"), wanted=("top",)) == []


def test_gap_names_the_need_and_what_is_there_instead(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    top = put(store, "top", requires=("leaf>=2", "absent"))
    assert gaps(store, top, put(store, "leaf")) == ["absent / nothing", "leaf>=2 / leaf==1.0"]


def test_extras_the_author_asks_for_are_followed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    top = put(store, "top", requires=('middle[deep]; extra == "full"',))
    middle = put(store, "middle", requires=('leaf; extra == "deep"',))
    assert gaps(store, top, middle, wanted=("top",)) == []
    assert gaps(store, top, middle, wanted=("top[full]",)) == ['leaf; extra == "deep" / nothing']
    assert gaps(store, top, middle, put(store, "leaf"), wanted=("top[full]",)) == []


def test_prerelease_that_was_chosen_satisfies(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert gaps(store, put(store, "top", requires=("leaf>=1",)), put(store, "leaf", "2.0rc1")) == []


def test_wheel_that_wants_a_later_patch_release_is_refused_with_both_versions(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    (fault,) = python_refusals([put(store, "late", python=">=3.11.5")], replace(TARGET, python="3.11.2"), store)
    assert fault.fact == "late 1.0 does not run on Python 3.11.2"
    assert (fault.want, fault.got) == ("Python >=3.11.5", "Python 3.11.2 on linux/amd64")


@pytest.mark.parametrize("python", [None, ">=3.9", ">=3.11.2,<4", "!=3.11.0", "3.11 or so", ">=3.11.2rc1"])
def test_wheel_that_runs_on_the_targets_patch_release_is_not_refused(python: str | None, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert python_refusals([put(store, "fits", python=python)], replace(TARGET, python="3.11.2"), store) == ()


def test_minor_version_counts_as_its_first_patch_release(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert python_refusals([put(store, "first", python=">=3.11.0")], TARGET, store) == ()
    assert len(python_refusals([put(store, "second", python=">=3.11.1")], TARGET, store)) == 1


def test_file_that_is_no_wheel_is_named(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    broken = LockedWheel(name="x", version="1", filename="x-1-py3-none-any.whl", size=3, digest=store.add(b"zip"))
    with pytest.raises(FetchError, match=r"x-1-py3-none-any\.whl is not a readable wheel"):
        missing_dependencies([broken], TARGET, store)


def test_wheel_damaged_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    filename, content = wheel_bytes("x", "1.0", requires=("leaf",))
    refused = 0
    for place in range(len(content)):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        wheel = LockedWheel(name="x", version="1.0", filename=filename, size=len(content), digest=store.add(damaged))
        try:
            missing_dependencies([wheel], TARGET, store)
        except FetchError:
            refused += 1
    assert refused
