from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from builder.errors import HostError
from builder.host import trace
from builder.host.trace import recording, span


def recorded(path: Path) -> list[dict[str, object]]:
    document = json.loads(path.read_text())
    assert set(document) == {"traceEvents", "displayTimeUnit"}
    events: list[dict[str, object]] = document["traceEvents"]
    return events


def test_a_trace_is_what_perfetto_reads(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with recording(path), span("outer", "stage", wheels=2), span("inner", "wheel"):
        pass
    events = recorded(path)
    assert {event["ph"] for event in events} == {"M", "X"}
    spans = [event for event in events if event["ph"] == "X"]
    assert [event["name"] for event in spans] == ["kiln", "outer", "inner"]
    for event in spans:
        assert set(event) == {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"}
        assert isinstance(event["ts"], float)
        assert isinstance(event["dur"], float)
        assert event["dur"] >= 0
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
    assert spans[1]["args"] == {"wheels": 2}


def test_a_span_lies_within_the_one_around_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with recording(path), span("outer"), span("inner"):
        pass
    spans = {event["name"]: event for event in recorded(path) if event["ph"] == "X"}
    outer, inner = spans["outer"], spans["inner"]
    assert outer["ts"] <= inner["ts"]  # type: ignore[operator]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"]  # type: ignore[operator]


def test_every_thread_has_a_row_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"

    def work() -> None:
        with span("numpy", "wheel"):
            pass

    with recording(path):
        thread = threading.Thread(target=work, name="link_0")
        thread.start()
        thread.join()
    events = recorded(path)
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}  # type: ignore[index]
    rows = {event["name"]: names[event["tid"]] for event in events if event["ph"] == "X"}
    assert rows == {"kiln": "MainThread", "numpy": "link_0"}


def test_without_a_recording_a_span_keeps_nothing(tmp_path: Path) -> None:
    with recording(None), span("nothing"):
        assert trace._recorder is None
    assert span("one") is span("other")
    assert not list(tmp_path.iterdir())


def test_a_failure_is_traced_too(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with pytest.raises(ValueError, match="broken"), recording(path), span("stage"):
        raise ValueError("broken")
    assert [event["name"] for event in recorded(path) if event["ph"] == "X"] == ["kiln", "stage"]
    assert trace._recorder is None


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="trace cannot be written"), recording(tmp_path / "no" / "trace.json"):
        raise AssertionError("nothing is done")
