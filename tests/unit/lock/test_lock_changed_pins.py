from __future__ import annotations

from builder.lock.pins import changed_pins

HASH = "    --hash=sha256:" + "ab" * 32


def text(*pins: str) -> str:
    return "".join(f"{pin} \\\n{HASH}\n" for pin in pins)


def test_what_locking_changed_is_told_package_by_package() -> None:
    before = text("joblib==1.5.0", "numpy==1.26.4", "pytz==2025.1")
    after = text("joblib==1.5.0", "numpy==2.3.1", "tzdata==2026.1")
    assert changed_pins(before, after) == ["numpy 1.26.4 → 2.3.1", "new: tzdata 2026.1", "gone: pytz 2025.1"]


def test_nothing_is_told_when_nothing_changed() -> None:
    assert changed_pins(text("numpy==2.3.1"), text("numpy==2.3.1")) == []


def test_a_lock_that_cannot_be_read_counts_as_none() -> None:
    assert changed_pins("<<<<<<< HEAD", text("numpy==2.3.1")) == ["new: numpy 2.3.1"]
