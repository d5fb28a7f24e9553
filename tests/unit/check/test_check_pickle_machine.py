from __future__ import annotations

import pytest

from builder.check import pickle_state
from builder.check.pickle_machine import read_pickle


def test_a_stream_of_endless_opcodes_is_refused_and_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_state, "_MOST_OPCODES", 1000)
    reading = read_pickle(b"N0" * 5000 + b"N.")
    assert reading.fault is not None
    assert "more than 1000 opcodes" in reading.fault.text


def test_a_stream_within_the_limit_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_state, "_MOST_OPCODES", 1000)
    reading = read_pickle(b"N0" * 400 + b"N.")
    assert reading.fault is None
    assert reading.end == 802
