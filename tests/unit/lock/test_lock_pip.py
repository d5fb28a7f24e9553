"""What pip prints when it fails; that it brings the right wheels is tested on pip itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from builder.errors import DigestMismatchError, FetchError, KilnError, ResolutionError, StoreError
from builder.host.process import Completed
from builder.lock.fetch import fetch_wheels
from builder.lock.pins import Pin
from builder.lock.pip import download_wheels, in_batches, take_in
from builder.lock.target import Target
from builder.store.blobs import BlobStore
from tests.support.bundles import AMD64, digest_of, make_wheel
from tests.support.package_index import wheel_bytes

TARGET = Target(python="3.11", platform=AMD64, glibc=(2, 36))
PIN = Pin(name="leaf", version="1.0")
A, B = "a" * 64, "b" * 64

MISMATCH = f"""\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, \
please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with them.
    leaf==1.0 from https://user:secret@host/leaf-1.0-py3-none-any.whl (from -r wheels.txt (line 1)):
        Expected sha256 {A}
             Got        {B}
"""


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Sequence[str]]]:
    """Let pip end in a given way; returns the commands it was called with."""

    def arrange(returncode: int, stderr: str = "", files: dict[str, bytes] | None = None) -> list[Sequence[str]]:
        calls: list[Sequence[str]] = []

        def run(argv: Sequence[str], *, cwd: Path, **_: Any) -> Completed:
            calls.append([*argv, (cwd / "wheels.txt").read_text()])
            for name, content in (files or {}).items():
                (cwd / name).write_bytes(content)
            return Completed(argv=tuple(argv), returncode=returncode, stdout="", stderr=stderr)

        monkeypatch.setattr("builder.lock.pip.run", run)
        return calls

    return arrange


@pytest.mark.parametrize(
    ("stderr", "kind", "fact"),
    [
        (MISMATCH, DigestMismatchError, "leaf==1.0 does not have the bytes that were locked"),
        (
            "ERROR: Could not find a version\nERROR: No matching distribution found for leaf==1.0\n",
            ResolutionError,
            "leaf==1.0 has no wheel for Python 3.11 on linux/amd64 (glibc 2.36)",
        ),
        (
            "ERROR: HTTP error 403 while getting https://user:secret@host/x: 403 Client Error: Forbidden",
            FetchError,
            "the package index refused these credentials or wants some",
        ),
        ("ERROR: [Errno 28] No space left on device", StoreError, "disk full while fetching packages"),
        ("ERROR: something else at https://user:secret@host/", FetchError, "pip could not bring the wheels"),
    ],
)
def test_each_failure_of_pip_is_its_own_error_without_credentials(
    stderr: str, kind: type[KilnError], fact: str, pip: Callable[..., object], tmp_path: Path
) -> None:
    pip(1, stderr)
    with pytest.raises(kind) as caught, download_wheels([PIN], TARGET, BlobStore(tmp_path)):
        pass
    assert caught.value.faults[0].fact == fact
    assert caught.value.hint
    assert "secret" not in caught.value.render()


def test_mismatch_gives_both_hashes(pip: Callable[..., object], tmp_path: Path) -> None:
    pip(1, MISMATCH)
    with pytest.raises(DigestMismatchError) as caught, download_wheels([PIN], TARGET, BlobStore(tmp_path)):
        pass
    assert (caught.value.faults[0].want, caught.value.faults[0].got) == (f"sha256:{A}", f"sha256:{B}")


def test_pip_is_asked_for_wheels_of_the_target_and_nothing_else(
    pip: Callable[..., list[Sequence[str]]], tmp_path: Path
) -> None:
    calls = pip(0)
    hashed = Pin(name="leaf", version="1.0", hashes=frozenset({digest_of("x")}))
    with download_wheels([hashed], TARGET, BlobStore(tmp_path)):
        pass
    command = list(calls[0])
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes", ":all:", "cp311", "manylinux_2_36_x86_64"} <= set(command)
    assert "manylinux_2_37_x86_64" not in command
    assert command[-1] == f"leaf==1.0 --hash={digest_of('x')}\n"


def test_nothing_is_left_aside(pip: Callable[..., object], tmp_path: Path) -> None:
    name, content = wheel_bytes("leaf")
    pip(0, files={name: content})
    store = BlobStore(tmp_path)
    with download_wheels([PIN], TARGET, store) as paths:
        assert [path.name for path in paths] == [name]
        wheel = take_in(paths[0], store)
    assert (wheel.name, wheel.version, wheel.size) == ("leaf", "1.0", len(content))
    assert list((tmp_path / "aside").iterdir()) == []


def test_wheel_that_pip_left_out_is_a_fetch_error(pip: Callable[..., object], tmp_path: Path) -> None:
    pip(0)
    with pytest.raises(FetchError, match=r"pip did not bring leaf-1\.0-py3-none-any\.whl"):
        fetch_wheels([make_wheel("leaf")], TARGET, BlobStore(tmp_path))


def test_wheel_of_another_size_is_refused(pip: Callable[..., object], tmp_path: Path) -> None:
    wheel = make_wheel("leaf", size=1000)
    pip(0, files={wheel.filename: b"short"})
    with pytest.raises(DigestMismatchError) as caught:
        fetch_wheels([wheel], TARGET, BlobStore(tmp_path))
    assert (caught.value.faults[0].want, caught.value.faults[0].got) == ("1000 bytes", "5 bytes")


def test_names_that_differ_in_version_are_brought_apart() -> None:
    batches: list[list[str]] = []
    pins = [Pin(name="a", version="1"), Pin(name="a", version="2"), Pin(name="b", version="1")]
    in_batches(pins, lambda batch: batches.append([f"{pin.name}{pin.version}" for pin in batch]))
    assert batches == [["a1", "b1"], ["a2"]]


def test_malformed_name_of_a_wheel_is_named(tmp_path: Path) -> None:
    path = tmp_path / "not-a-wheel.whl"
    path.write_bytes(b"")
    with pytest.raises(FetchError, match=r"malformed name: not-a-wheel\.whl"):
        take_in(path, BlobStore(tmp_path / "store"))
