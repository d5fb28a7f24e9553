from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.store import records
from builder.store.records import Records


@pytest.fixture
def remembered(tmp_path: Path) -> Records:
    return Records(tmp_path, "layers")


def test_what_was_put_is_got(remembered: Records) -> None:
    remembered.put({"b": 1, "a": [2]}, {"layer": "x"})
    assert remembered.get({"a": [2], "b": 1}) == {"layer": "x"}


def test_the_last_writer_wins(remembered: Records) -> None:
    remembered.put("key", 1)
    remembered.put("key", 2)
    assert remembered.get("key") == 2


def test_nothing_is_known_at_first(remembered: Records) -> None:
    assert remembered.get("key") is None


def test_kinds_are_kept_apart(remembered: Records, tmp_path: Path) -> None:
    remembered.put("key", 1)
    assert Records(tmp_path, "files").get("key") is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"null", b"[1]", b'{"value": 2}', b'{"value": 2, "seal": 3}'])
def test_a_damaged_record_is_forgotten(remembered: Records, tmp_path: Path, content: bytes) -> None:
    remembered.put("key", 1)
    (path,) = (tmp_path / "records" / "layers").iterdir()
    path.write_bytes(content)
    assert remembered.get("key") is None


def test_a_record_that_cannot_be_written_leaves_nothing(
    remembered: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.Path, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        remembered.put("key", 1)
    assert not list((tmp_path / "records" / "layers").iterdir())
