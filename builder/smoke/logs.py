"""What a container printed, for a person: JSON lines as prose, and the line that says why. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import printable
from builder.plan import places

_AUTHOR_FRAME = re.compile(
    rf'^ *File "/{places.CODE}/(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?', re.MULTILINE
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d(?:\.\d{1,3})?)")
_ACCESS = ("method", "path", "status", "duration_ms")
_UNSHOWN = {"time", "level", "logger", "message", "exception", "request_id", "request_ids", "pid", "client"}
_NOT_LOADED = "the model does not load"
_LONGEST = 300


def render_logs(text: str) -> list[str]:
    """Return what was printed as lines to read.

    A line that is JSON becomes time, level, logger, message and its other fields; its ``exception`` follows on lines
    of its own, indented. Any other line stays as it is.
    """
    return [shown for line in text.splitlines() for shown in _render(line)]


def find_scoring_fault(text: str, request_id: str) -> str | None:
    """Return why the request with this id failed, with the place in the author's code; None where no line says."""
    found = None
    for line in _objects(text):
        if request_id != line.get("request_id") or line.get("level") not in ("error", "critical"):
            continue
        if line.get("logger") in ("kiln", "kiln.scoring") or line.get("exception"):
            found = _say(line)
    return found


def find_load_fault(text: str) -> str | None:
    """Return why the model did not load, with the place in the author's code; None where no line says."""
    found = None
    for line in _objects(text):
        if line.get("level") == "critical" and str(line.get("message")).startswith(_NOT_LOADED):
            found = _say(line)
    return found


def _say(line: Mapping[str, Any]) -> str:
    message = printable(str(line.get("message", "")))
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} …"
    frames = list(_AUTHOR_FRAME.finditer(str(line.get("exception") or "")))
    if not frames:
        return message
    frame = frames[-1]
    name = f", in {frame['name']}" if frame["name"] and frame["name"] != "<module>" else ""
    return printable(f"{message} ({frame['file']}:{frame['line']}{name})")


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        if found := _parse(line):
            yield found


def _parse(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "message" in found else None


def _render(line: str) -> Iterator[str]:
    found = _parse(line)
    if found is None:
        yield printable(line)
        return
    said = str(found["message"])
    if found.get("logger") == "kiln.access":
        method, path, status, spent = (found.get(key) for key in _ACCESS)
        said = f"{method} {path} {status} in {spent} ms"
    else:
        more = [f"{key}={_value(value)}" for key, value in found.items() if key not in _UNSHOWN]
        said = " ".join((said, *more))
    time = _TIME.match(str(found.get("time", "")))
    head = [time[1]] if time else []
    head += [str(found[key]) for key in ("level", "logger") if found.get(key)]
    first, *rest = said.splitlines() or [""]
    yield printable(" ".join((*head, first)))
    for part in (*rest, *str(found.get("exception") or "").splitlines()):
        yield printable(f"    {part}")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
