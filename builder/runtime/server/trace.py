"""W3C Trace Context (Recommendation of 2021, level 1): which trace a request belongs to.

A header that breaks the grammar is ignored as a whole, as §3.2 and §3.3 of it demand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SAMPLED = 1
MOST_STATES = 32
LONGEST_STATE = 4096
"""Characters of a tracestate that is passed on; at least 512 must be."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_KEY = r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
_STATE = re.compile(rf"({_KEY})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e])", re.ASCII)
NO_TRACE, NO_SPAN = "0" * 32, "0" * 16


@dataclass(slots=True)
class Trace:
    """A place in a trace: what a caller sent, or a span of our own."""

    trace_id: str
    span_id: str
    flags: int
    state: str = ""
    parent_id: str = ""
    """The span above this one, when this one is ours."""

    @property
    def sampled(self) -> bool:
        """Whether the caller records this trace."""
        return bool(self.flags & SAMPLED)

    @property
    def parent(self) -> str:
        """The ``traceparent`` that names this place."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse_parent(text: str) -> tuple[str, str, int] | None:
    """Return trace, span and flags of a ``traceparent``, or nothing when it is not valid.

    Of a later version what this one knows is read (§4.3); unknown flags of this version are dropped.
    """
    match = _PARENT.fullmatch(text.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None) or trace_id == NO_TRACE or span_id == NO_SPAN:
        return None
    return trace_id, span_id, int(flags, 16) & (0xFF if version == "00" else SAMPLED)


def parse_state(texts: Iterable[str]) -> str:
    """Return all ``tracestate`` headers as one, empty when any member is not valid or named twice."""
    members: dict[str, str] = {}
    for text in texts:
        for member in text.split(","):
            member = member.strip(" \t")  # noqa: PLW2901 - the same member, without the space that may surround it
            if not member:
                continue
            match = _STATE.fullmatch(member)
            if match is None or match[1] in members:
                return ""
            members[match[1]] = member
    if len(members) > MOST_STATES:
        return ""
    state = ",".join(members.values())
    return state if len(state) <= LONGEST_STATE else ""


def read_trace(headers: Iterable[tuple[str, str]]) -> Trace | None:
    """Return the trace the caller is in, if it says so in one valid ``traceparent``."""
    parents = []
    states = []
    for name, value in headers:
        if name == "traceparent":
            parents.append(value)
        elif name == "tracestate":
            states.append(value)
    if len(parents) != 1:
        return None
    found = parse_parent(parents[0])
    return Trace(*found, parse_state(states) if states else "") if found is not None else None
