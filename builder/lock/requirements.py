"""Lines of requirement files, as the resolvers and the locks write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_COMMENT = re.compile(r"(^|\s)#.*$")


def logical_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, continuations joined, comments and blank lines left out."""
    pending, start = "", 0
    for number, raw in enumerate(lines, start=1):
        start = start if pending else number
        if raw.rstrip("\r\n").endswith("\\") and not raw.lstrip().startswith("#"):
            pending += raw.rstrip("\r\n").removesuffix("\\") + " "
            continue
        line = _COMMENT.sub("", pending + raw.rstrip("\r\n")).strip()
        pending = ""
        if line:
            yield start, line
    if pending.strip():
        yield start, pending.strip()
