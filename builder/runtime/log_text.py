"""Log lines for people. A terminal gets these, and whoever sets ``KILN_LOG=text``; everybody else gets JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

COLORS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
BLOCKS = ("exception", "stack")
TOLD = frozenset({"time", "level", "logger", "message", "pid", "span_id", *BLOCKS})
ACCESS = frozenset({"method", "path", "status", "duration_ms", "bytes_in", "bytes_out", "client"})


def wants_text(environment: Mapping[str, str], descriptor: int) -> bool:
    """Say whether lines written to a descriptor are for people."""
    match environment.get("KILN_LOG", "").strip().lower():
        case "text":
            return True
        case "json":
            return False
        case _:
            return os.isatty(descriptor)


def wants_color(environment: Mapping[str, str], descriptor: int) -> bool:
    """Say whether a terminal is there that may show colours."""
    return os.isatty(descriptor) and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def show_line(line: bytes, *, color: bool = False) -> bytes:
    """Return a line of JSON as text, or as it is when it is none."""
    try:
        fields = json.loads(line)
        return show_fields(fields, color=color).encode("utf-8", "backslashreplace")
    except (ValueError, TypeError, AttributeError):
        return line


def show_fields(fields: Mapping[str, Any], *, color: bool = False) -> str:
    """Return time, level, logger, message, whatever else there is, and a traceback on lines of its own."""
    level = str(fields.get("level", "info"))
    word = f"{level.upper():8}"
    time = str(fields.get("time", ""))[11:23]
    told: frozenset[str] | set[str] = TOLD
    message = str(fields.get("message", ""))
    if fields.get("logger") == "kiln.access":
        told = TOLD | ACCESS
        message = f"{fields.get('method')} {fields.get('path')} {fields.get('status')} {fields.get('duration_ms')} ms"
    more = "".join(f" {name}={show_value(value)}" for name, value in fields.items() if name not in told)
    if color:
        time, word = f"\x1b[2m{time}\x1b[0m", f"\x1b[{COLORS.get(level, '0')}m{word}\x1b[0m"
        more = f"\x1b[2m{more}\x1b[0m" if more else ""
    first, *rest = clean(message).split("\n")
    lines = [f"{time} {word} {fields.get('logger', '')}: {first}{more}", *rest]
    for name in BLOCKS:
        if fields.get(name):
            lines += clean(str(fields[name]).rstrip("\n")).split("\n")
    return "\n    ".join(lines)


def show_value(value: Any) -> str:
    """Return a field's value, in quotes where it would run into the next one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = clean(text).replace("\n", "\\n")
    return f'"{text}"' if " " in text or not text else text


def clean(text: str) -> str:
    """Return text without what a terminal would obey."""
    return "".join(
        char if char in "\n\t" or (char.isprintable() or char == "\u00a0") else char.encode("unicode_escape").decode()
        for char in text
    )
