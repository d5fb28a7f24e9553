"""Requests and answers that pass through as they are, for contracts whose scripts read and write HTTP themselves."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any

from ..failure import UnspeakableError
from ..message import Request, Response

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""Of a header, RFC 9110 §5.5 and §5.6.2."""


def make_payload(request: Request) -> tuple[Any, ...]:
    """Return what the worker gets: method, target, headers, body."""
    return request.method, request.target, request.headers, request.body


def make_response(answer: Any, *, without: AbstractSet[str] = frozenset()) -> Response:
    """Return the worker's answer (status, headers, body) as a response; headers of some names are left out.

    :class:`UnspeakableError` when HTTP has no form for it.
    """
    status, headers, body = answer
    content_type, more = "", []
    if type(status) is not int or not 200 <= status <= 599:
        raise UnspeakableError(f"{status!r} is no status of an answer")
    for name, value in headers:
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise UnspeakableError(f"HTTP has no form for the header {name!r} with the value {value[:100]!r}")
        if name.lower() == "content-type" and not content_type:
            content_type = value
        elif name.lower() not in without:
            more.append((name, value))
    return Response(status, body, content_type, tuple(more))
