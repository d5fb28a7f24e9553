"""Requests and answers that pass through as they are, for contracts whose scripts read and write HTTP themselves."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from ..message import Request, Response


def make_payload(request: Request) -> tuple[Any, ...]:
    """Return what the worker gets: method, target, headers, body."""
    return request.method, request.target, request.headers, request.body


def make_response(answer: Any, *, without: AbstractSet[str] = frozenset()) -> Response:
    """Return the worker's answer (status, headers, body) as a response; headers of some names are left out."""
    status, headers, body = answer
    content_type, more = "", []
    for name, value in headers:
        if name.lower() == "content-type" and not content_type:
            content_type = value
        elif name.lower() not in without:
            more.append((name, value))
    return Response(status, body, content_type, tuple(more))
