"""Small facts remembered by key: which layer a wheel became, what a file's digest was."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from builder.host.aside import replacing
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.store.blobs import store_faults

_DAY = 24 * 3600


class Records:
    """JSON values by key under one folder. A record is a hint: a lost or damaged one only costs the work again.

    What only holds for one version of the tool is kept ``by`` its identity, and nobody else gets it.
    """

    def __init__(self, root: Path, kind: str, *, by: str | None = None) -> None:
        self._root = root / "records" / kind
        self._by = by

    def get(self, key: Any) -> Any | None:
        """Return what was remembered for a key (any JSON value), or None; never anything else than was put."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                record = json.loads(file.read())
                if time.time() - os.fstat(file.fileno()).st_mtime > _DAY:
                    with suppress(OSError):
                        os.utime(file.fileno())  # its time is that of its last use, to a day
            value = record["value"]
            return value if record["seal"] == _seal(self._full(key), value) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, key: Any, value: Any) -> None:
        """Remember a JSON value for a key; the last writer wins."""
        path = self._path(key)
        with store_faults("write to the store", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as aside:
                aside.write_bytes(canonical_json({"value": value, "seal": _seal(self._full(key), value)}))

    def values(self) -> Iterator[Any]:
        """Yield what is remembered under any key."""
        for path in self._root.glob("[0-9a-f]*"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                yield json.loads(path.read_bytes())["value"]

    def _path(self, key: Any) -> Path:
        return self._root / Digest.of(canonical_json(self._full(key))).hex

    def _full(self, key: Any) -> Any:
        return key if self._by is None else [self._by, key]


def _seal(key: Any, value: Any) -> str:
    """Return what tells a whole record of this key from a damaged one."""
    return Digest.of(canonical_json([key, value])).hex
