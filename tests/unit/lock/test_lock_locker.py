"""The glue on its own, with a resolver and a selection that answer from a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.model import Bundle
from builder.errors import BaseImageError, LockDriftError, ResolutionError
from builder.lock import locker
from builder.lock.locker import installer_text, lock_bundle
from builder.lock.model import Lock, LockedWheel
from builder.lock.pins import Pin, parse_pins
from builder.lock.resolver import Wanted
from builder.lock.target import Target
from builder.store.blobs import BlobStore
from tests.support.bundles import AMD64, ARM64, make_base, make_bundle, make_deb
from tests.support.package_index import wheel_bytes


class Table:
    """A resolver that gives each platform the versions of a table, or what is preferred where it may."""

    name = "table"

    def __init__(self, versions: dict[str, Sequence[str]], requires: tuple[str, ...] = ()) -> None:
        self.versions = versions
        self.requires = requires
        self.preferred: list[dict[str, str]] = []

    def resolve(self, wanted: Wanted, target: Target, *, preferred: Sequence[Pin] = ()) -> tuple[Pin, ...]:
        self.preferred.append({pin.name: pin.version for pin in preferred})
        possible = self.versions[target.platform.architecture]
        liked = self.preferred[-1].get("leaf")
        return (Pin(name="leaf", version=liked if liked in possible else possible[-1]),)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = make_bundle(tmp_path)
    environment = replace(made.environment, requirements=("leaf",), requirements_file=None, platforms=(AMD64, ARM64))
    return replace(made, environment=environment)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Table:
    table = Table({"amd64": ["1.0", "2.0"], "arm64": ["1.0"]})
    store = BlobStore(tmp_path / "store")

    def select(pins: Sequence[Pin], target: Target, *_: Any, **__: Any) -> tuple[LockedWheel, ...]:
        wheels = []
        for pin in pins:
            requires = table.requires if pin.name == "leaf" else ()
            filename, content = wheel_bytes(pin.name, pin.version, requires=requires)
            wheels.append(
                LockedWheel(
                    name=pin.name,
                    version=pin.version,
                    filename=filename,
                    size=len(content),
                    digest=store.add(content),
                )
            )
        return tuple(wheels)

    monkeypatch.setattr(locker, "resolver_for", lambda _: table)
    monkeypatch.setattr(locker, "select_wheels", select)
    # The table is its own second resort.
    monkeypatch.setattr(locker, "Uv", Table)
    return table


def lock(bundle: Bundle, tmp_path: Path, **changes: Any) -> tuple[Lock, str]:
    arguments: dict[str, Any] = {
        "base": make_base(AMD64, ARM64),
        "system_packages": {AMD64: [make_deb("libgomp1")]},
        "model": (),
        "server_requirements": "msgspec==0.22 --hash=sha256:" + "0" * 64 + '\nwinloop==1 ; sys_platform == "win32"\n',
        "store": BlobStore(tmp_path / "store"),
        **changes,
    }
    return lock_bundle(bundle, **arguments)


def test_platforms_settle_on_what_serves_both(bundle: Bundle, table: Table, tmp_path: Path) -> None:
    locked, text = lock(bundle, tmp_path)
    assert [chosen.wheels[0].version for chosen in locked.platforms] == ["1.0", "1.0"]
    assert "platform_machine" not in text


def test_present_versions_are_preferred_on_every_platform(bundle: Bundle, table: Table, tmp_path: Path) -> None:
    previous = "leaf==1.0\narm-only==3 ; platform_machine == 'aarch64'\n"
    lock(bundle, tmp_path, previous=previous)
    assert table.preferred == [{"leaf": "1.0"}, {"leaf": "1.0", "arm-only": "3"}]


def test_lock_holds_server_installer_and_system_packages(bundle: Bundle, table: Table, tmp_path: Path) -> None:
    locked, _ = lock(bundle, tmp_path)
    assert [wheel.name for wheel in locked.on(AMD64).server_wheels] == ["msgspec"]
    assert locked.on(AMD64).installer.name == "pip"
    assert [deb.name for deb in locked.on(AMD64).system_packages] == ["libgomp1"]
    assert locked.on(ARM64).system_packages == ()
    assert locked.inputs["requirement leaf"] == "leaf"


def test_dependency_nobody_chose_is_a_resolution_error(bundle: Bundle, table: Table, tmp_path: Path) -> None:
    table.requires = ("absent>=1",)
    with pytest.raises(ResolutionError, match="leaf needs absent>=1, which was not chosen"):
        lock(bundle, tmp_path)


def test_platform_the_base_is_not_made_for_is_named(bundle: Bundle, table: Table, tmp_path: Path) -> None:
    with pytest.raises(BaseImageError) as caught:
        lock(bundle, tmp_path, base=make_base(AMD64))
    assert caught.value.faults[0].got == "linux/arm64"


def test_malformed_present_lock_is_named(bundle: Bundle, table: Table, tmp_path: Path) -> None:
    with pytest.raises(LockDriftError, match=r"requirements\.lock is malformed: line 1"):
        lock(bundle, tmp_path, previous="leaf>=1\n")


def test_installer_is_one_hashed_pip() -> None:
    (pin,) = parse_pins(installer_text())
    assert pin.name == "pip"
    assert len(pin.hashes) == 1
