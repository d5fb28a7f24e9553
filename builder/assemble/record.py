"""RECORD, the list of a wheel's files (PyPA, "Recording installed projects")."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

_LENGTHS = {"sha256": 32, "sha384": 48, "sha512": 64}
_NEVER_LISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a RECORD: a path relative to the folder that holds the .dist-info, and its hash."""

    path: str
    algorithm: str = ""
    digest: bytes = b""
    size: int | None = None

    @classmethod
    def of(cls, path: str, data: bytes) -> Row:
        """Make the row of these bytes."""
        return cls(path=path, algorithm="sha256", digest=hashlib.sha256(data).digest(), size=len(data))


def parse_record(text: str) -> dict[str, Row]:
    """Return the rows that carry a hash, by path.

    Rows without one, and with an algorithm the wheel specification forbids, are left out. A malformed row is a
    ValueError that quotes it.
    """
    rows: dict[str, Row] = {}
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        msg = f"not CSV: {error}"
        raise ValueError(msg) from error
    for line in table:
        if not line:
            continue
        path, text_hash, text_size = (*line, "", "")[:3]
        algorithm, equals, encoded = text_hash.partition("=")
        if not equals or algorithm not in _LENGTHS:
            continue
        try:
            digest = base64.b64decode(encoded.encode() + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            size = int(text_size) if text_size else None
        except (binascii.Error, ValueError) as error:
            msg = f"malformed row: {','.join(line)}"
            raise ValueError(msg) from error
        if len(digest) != _LENGTHS[algorithm]:
            msg = f"malformed row: {','.join(line)}"
            raise ValueError(msg)
        row = Row(path=path, algorithm=algorithm, digest=digest, size=size)
        if rows.setdefault(path, row) != row:
            msg = f"two different rows for {path}"
            raise ValueError(msg)
    return rows


def is_listed(path: str, dist_info: str) -> bool:
    """True for files RECORD gives a hash of: all but itself and its signatures."""
    folder, _, name = path.rpartition("/")
    return folder != dist_info or name not in _NEVER_LISTED


def write_record(rows: Iterable[Row], unlisted: Iterable[str]) -> bytes:
    """Return a RECORD: sorted by path, line feeds, ``unlisted`` paths with empty hash and size."""
    lines = {row.path: (f"{row.algorithm}={_encode(row.digest)}", str(row.size)) for row in rows}
    lines |= dict.fromkeys(unlisted, ("", ""))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows((path, *lines[path]) for path in sorted(lines, key=str.encode))
    return out.getvalue().encode()


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
