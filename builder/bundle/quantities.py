"""Durations and sizes as authors write them."""

from __future__ import annotations

import math
import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {
    "": 1,
    "B": 1,
    "k": 10**3,
    "kB": 10**3,
    "M": 10**6,
    "MB": 10**6,
    "G": 10**9,
    "GB": 10**9,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)\Z")


def seconds(value: float | str) -> float:
    """Return a duration in seconds: a number of them, or text such as ``250ms``, ``30s``, ``5m``; else a ValueError."""
    if isinstance(value, str):
        match = _NUMBER.match(value)
        if not match or match[2] not in _SECONDS:
            raise ValueError(value)
        # Tenths and thousandths stay the numbers a person means: 250 * 1e-3, not 0.25000000000000006.
        return round(float(match[1]) * _SECONDS[match[2]], 9)
    if not math.isfinite(value) or value < 0:
        raise ValueError(value)
    return float(value)


def size(value: int | str) -> int:
    """Return a size in bytes: a whole number of them, or text such as ``512MiB`` or ``2G``; else a ValueError."""
    if isinstance(value, str):
        match = _NUMBER.match(value)
        if not match or match[2] not in _BYTES:
            raise ValueError(value)
        result = float(match[1]) * _BYTES[match[2]]
        if result != int(result):
            raise ValueError(value)
        return int(result)
    if value < 0:
        raise ValueError(value)
    return int(value)
