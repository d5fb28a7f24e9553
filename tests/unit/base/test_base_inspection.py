from __future__ import annotations

from pathlib import Path

import pytest

from builder.base.inspection import BaseFacts, inspect_tree
from builder.errors import BaseImageError

BANNER = b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright\0"


def tree(root: Path, *, python: str | None = "usr/local/bin/python3.11", libc: bytes | None = BANNER) -> Path:
    if python:
        (root / python).parent.mkdir(parents=True)
        (root / python).write_bytes(b"ELF")
    if libc is not None:
        (root / "lib/x86_64-linux-gnu").mkdir(parents=True)
        (root / "lib/x86_64-linux-gnu/libc.so.6").write_bytes(libc)
    return root


def test_interpreter_and_glibc_are_read_from_the_files(tmp_path: Path) -> None:
    facts = inspect_tree(tree(tmp_path), python="3.11", at="x")
    assert facts == BaseFacts(interpreter="/usr/local/bin/python3.11", glibc=(2, 36))


def test_a_link_is_no_interpreter(tmp_path: Path) -> None:
    root = tree(tmp_path, python=None)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/python3.11").symlink_to("/opt/python")
    with pytest.raises(BaseImageError, match=r"no Python 3\.11"):
        inspect_tree(root, python="3.11", at="x")


def test_another_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseImageError) as caught:
        inspect_tree(tree(tmp_path), python="3.13", at="registry.example.com/base")
    assert caught.value.faults[0].got == "/usr/local/bin/python3.11"


def test_all_that_lacks_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/ld-musl-x86_64.so.1").write_bytes(b"")
    with pytest.raises(BaseImageError) as caught:
        inspect_tree(tmp_path, python="3.11", at="x")
    assert [fault.got for fault in caught.value.faults] == ["no Python", "musl"]
