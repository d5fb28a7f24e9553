from __future__ import annotations

import pytest

from builder.lock.model import Lock
from tests.support.bundles import AMD64, ARM64, make_deb, make_lock


def test_lock_survives_its_json_form() -> None:
    lock = make_lock(AMD64, ARM64)
    assert Lock.from_dict(lock.to_dict()) == lock


def test_platform_that_was_not_locked_is_a_key_error() -> None:
    assert make_lock(AMD64).on(AMD64).platform == AMD64
    with pytest.raises(KeyError, match="linux/arm64"):
        make_lock(AMD64).on(ARM64)


def test_wheels_sort_by_name() -> None:
    wheels = make_lock().on(AMD64).wheels
    assert list(wheels) == sorted({*wheels})
    assert make_deb("a") < make_deb("b")


def test_other_version_of_the_format_is_refused() -> None:
    with pytest.raises(ValueError, match="lock_version 9"):
        Lock.from_dict({**make_lock().to_dict(), "lock_version": 9})
