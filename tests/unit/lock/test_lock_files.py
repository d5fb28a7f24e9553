from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.errors import HostError, LockDriftError
from builder.lock.files import read_lock, write_lock
from tests.support.bundles import AMD64, ARM64, make_lock


def test_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    lock = make_lock(AMD64, ARM64)
    write_lock(tmp_path, lock, "numpy==1\n")
    assert read_lock(tmp_path) == (lock, "numpy==1\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle.lock", "requirements.lock"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_same_lock_gives_the_same_bytes(tmp_path: Path) -> None:
    write_lock(tmp_path, make_lock(), "a\n")
    first = (tmp_path / "bundle.lock").read_bytes()
    write_lock(tmp_path, make_lock(), "a\n")
    assert (tmp_path / "bundle.lock").read_bytes() == first


def test_missing_lock_says_to_lock(tmp_path: Path) -> None:
    with pytest.raises(LockDriftError, match=r"the bundle has no bundle\.lock") as caught:
        read_lock(tmp_path)
    assert f"kiln lock {tmp_path}" in str(caught.value.hint)


def test_one_of_the_pair_missing_is_named(tmp_path: Path) -> None:
    write_lock(tmp_path, make_lock(), "a\n")
    (tmp_path / "requirements.lock").unlink()
    with pytest.raises(LockDriftError, match=r"the bundle has no requirements\.lock"):
        read_lock(tmp_path)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ('{"lock_version": 1,\n oops', "bundle.lock is not JSON"),
        ("[]", "bundle.lock is not of the version this kiln reads"),
        ('{"lock_version": 2}', "bundle.lock is not of the version this kiln reads"),
        ('{"lock_version": 1}', "bundle.lock lacks 'bundle'"),
    ],
)
def test_malformed_lock_is_drift_with_its_place(text: str, fact: str, tmp_path: Path) -> None:
    write_lock(tmp_path, make_lock(), "a\n")
    (tmp_path / "bundle.lock").write_text(text)
    with pytest.raises(LockDriftError) as caught:
        read_lock(tmp_path)
    assert caught.value.faults[0].fact.startswith(fact)
    assert str(caught.value.faults[0].at).startswith(str(tmp_path / "bundle.lock"))


@pytest.mark.parametrize("damage", [{"python": 3, "platforms": "x"}, {"requirements_lock": "sha256:short"}])
def test_lock_with_values_of_another_kind_is_malformed(damage: dict[str, object], tmp_path: Path) -> None:
    write_lock(tmp_path, make_lock(), "a\n")
    data = json.loads((tmp_path / "bundle.lock").read_text())
    (tmp_path / "bundle.lock").write_text(json.dumps({**data, **damage}))
    with pytest.raises(LockDriftError, match=r"bundle\.lock is malformed"):
        read_lock(tmp_path)


@pytest.mark.parametrize("before", ["old\n", None])
def test_failed_write_leaves_what_was_there(
    before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        (tmp_path / "requirements.lock").write_text(before)
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target.name == "bundle.lock":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(HostError, match="No space left on device"):
        write_lock(tmp_path, make_lock(), "new\n")
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left == ({"requirements.lock": before} if before else {})


def test_pair_is_one_whoever_writes_and_reads_at_once(tmp_path: Path) -> None:
    pairs = {"a\n": make_lock(python="3.11"), "b\n": make_lock(python="3.13")}
    write_lock(tmp_path, pairs["a\n"], "a\n")
    done = threading.Event()

    def write(text: str) -> None:
        while not done.is_set():
            write_lock(tmp_path, pairs[text], text)

    with ThreadPoolExecutor(2) as writers:
        writing = [writers.submit(write, text) for text in pairs]
        try:
            for _ in range(300):
                lock, text = read_lock(tmp_path)
                assert lock == pairs[text]
        finally:
            done.set()
        for one in writing:
            one.result()
    lock, text = read_lock(tmp_path)
    assert lock == pairs[text]


def test_what_a_killed_writer_left_goes_with_the_next_lock(tmp_path: Path) -> None:
    for name in (".bundle.lock-abcd0123", ".requirements.lock-abcd0123"):
        (tmp_path / name).write_text("half")
    write_lock(tmp_path, make_lock(), "a\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle.lock", "requirements.lock"]
