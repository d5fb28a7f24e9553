"""One way to write JSON whose bytes are an identity."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as JSON with sorted keys, no spaces and UTF-8 text.

    Equal values give equal bytes on every machine; NaN and infinities are refused with a ValueError, since they
    are not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def readable_json(value: Any, *, sort_keys: bool = True) -> str:
    """Return ``value`` as JSON meant to be read: sorted unless its order has a meaning, indented, one final newline."""
    return json.dumps(value, sort_keys=sort_keys, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
