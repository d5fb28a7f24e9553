"""A whole request and a whole answer, for contracts whose scripts read and write HTTP themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

RawAnswer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers (content-type among them, never content-length), body. Plain, so that it can be sent."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One request. Header names are lower case; header values and the target are latin-1, as they came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def read(cls, payload: Any) -> RawRequest:
        """Read what the server sent: (method, target, headers, body)."""
        method, target, headers, body = payload
        text = target.decode("latin-1") if isinstance(target, bytes) else target
        return cls(method, text, tuple((str(name), str(value)) for name, value in headers), bytes(body))

    @property
    def path(self) -> str:
        """The path as it was sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query as it was sent, without the question mark."""
        return self.target.partition("?")[2]

    def get(self, name: str) -> str | None:
        """Return a header's value, repeated ones joined; the name is lower case."""
        found = [value for key, value in self.headers if key == name]
        return ",".join(found) if found else None

    def environ(self) -> dict[str, str]:
        """Return the headers as WSGI has them: repeated ones joined, names with an underscore left out."""
        environ: dict[str, str] = {}
        for name, value in self.headers:
            if "_" in name:
                continue
            key = name.upper().replace("-", "_")
            if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
                key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def environ_headers(self) -> list[tuple[str, str]]:
        """Return the headers as a WSGI application sees them: names in title case, each once."""
        headers = []
        for key, value in self.environ().items():
            if key.startswith("HTTP_"):
                headers.append((key[5:].replace("_", "-").title(), value))
            elif value:
                headers.append((key.replace("_", "-").title(), value))
        return headers


def make_answer(status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> RawAnswer:
    """Return an answer."""
    return status, list(headers), body
