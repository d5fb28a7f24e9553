"""One realistic lock through the index of this machine's pip settings, with each resolver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.lock.fetch import fetch_wheels, wheels_of
from builder.lock.locker import lock_bundle
from builder.lock.model import Lock
from builder.lock.resolver import PipTools, Uv, resolver_for
from builder.lock.target import Target
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore
from tests.support.bundles import AMD64, ARM64, make_base, make_bundle

pytestmark = pytest.mark.package_index

REQUIREMENTS = ("scikit-learn==1.7.2", "pandas>=2.2,<3")
LEAKS = ("http", "file:", "@", "/tmp", "/home", "/root", "index-url", "find-links", "-r ")


def lock(tmp_path: Path, python: str, *platforms: Platform) -> tuple[Lock, str]:
    bundle = make_bundle(tmp_path)
    environment = replace(
        bundle.environment, python=python, requirements=REQUIREMENTS, requirements_file=None, platforms=platforms
    )
    return lock_bundle(
        replace(bundle, environment=environment),
        base=make_base(*platforms, python=python),
        system_packages={},
        model=(),
        server_requirements="",
        store=BlobStore(tmp_path / "store"),
    )


def check(locked: Lock, text: str, tmp_path: Path) -> None:
    assert not [leak for leak in LEAKS if leak in text]
    for chosen in locked.platforms:
        names = [wheel.name for wheel in chosen.wheels]
        assert {"joblib", "numpy", "pandas", "scikit-learn", "scipy", "threadpoolctl"} <= set(names)
        assert names == sorted(names)
        target = Target.of_base(locked.base, chosen.platform)
        native = {wheel.filename for wheel in chosen.wheels if not wheel.filename.endswith("-none-any.whl")}
        assert native
        assert all(chosen.platform.machine in name and target.abi in name for name in native)
        # The network is not touched once everything is in the store.
        assert fetch_wheels(wheels_of(chosen), target, BlobStore(tmp_path / "store"), offline=True) == 0


def test_pip_tools_locks_for_the_python_that_runs_it(tmp_path: Path) -> None:
    target = Target(python="3.11", platform=AMD64, glibc=(2, 36))
    assert isinstance(resolver_for(target), PipTools if target.is_host() else Uv)
    locked, text = lock(tmp_path, "3.11", AMD64)
    check(locked, text, tmp_path)


def test_uv_locks_for_another_python_and_both_machines(tmp_path: Path) -> None:
    assert isinstance(resolver_for(Target(python="3.13", platform=ARM64, glibc=(2, 36))), Uv)
    locked, text = lock(tmp_path, "3.13", AMD64, ARM64)
    check(locked, text, tmp_path)
    versions = {tuple((wheel.name, wheel.version) for wheel in chosen.wheels) for chosen in locked.platforms}
    assert len(versions) == 1


def test_both_resolvers_write_the_same_file_for_the_same_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, by_default = lock(tmp_path, "3.11", AMD64)
    monkeypatch.setattr("builder.lock.locker.resolver_for", lambda _: Uv())
    _, by_uv = lock(tmp_path, "3.11", AMD64)
    assert by_default == by_uv
