"""The checklist as text for people."""

from __future__ import annotations

from builder.release.checklist import Checklist, State

_COLOURS = {State.AUTOMATED: "32", State.MANUAL: "33", State.MISSING: "31"}
_MARKS = {State.AUTOMATED: "✓", State.MANUAL: "○", State.MISSING: "✗"}
_LONGEST = 6


def to_table(checklist: Checklist, *, colour: bool = False) -> str:
    """Return each point with its state, its evidence, and what to do; then the counts."""
    lines = []
    for point in checklist.points:
        mark = _painted(f"{_MARKS[point.state]} {point.state:<9}", _COLOURS[point.state], colour=colour)
        lines.append(f"{mark}  {point.title}")
        for one in point.evidence[:_LONGEST]:
            place = f"  ({one.at})" if one.at else ""
            lines.append(_painted(f"             {one.what}: {one.value}{place}", "2", colour=colour))
        if len(point.evidence) > _LONGEST:
            lines.append(_painted(f"             and {len(point.evidence) - _LONGEST} more", "2", colour=colour))
        if point.todo:
            lines.append(f"             → {point.todo}")
    counts = ", ".join(f"{checklist.count(state)} {state}" for state in State)
    return "\n".join([*lines, f"{checklist.bundle}: {counts}"])


def _painted(text: str, code: str, *, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
