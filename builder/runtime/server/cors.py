"""Which origins of browsers may read answers: ``AML_CORS_ORIGINS`` of Azure ML's server (Fetch standard §3.2)."""

from __future__ import annotations

import re
from collections.abc import Callable

from .message import Headers, Request, Response

METHODS = ("GET", "POST")
EXPRESSION = frozenset("*\\]?$^[]()")
"""An origin that holds one of these is a regular expression; ``*`` alone is any origin."""
Share = Callable[[Request, Response], Headers]


def share_nothing(_request: Request, _response: Response) -> Headers:
    """Say nothing of origins."""
    return ()


def make_sharing(origins: str | None) -> Share:
    """Return what adds the headers for origins separated by commas."""
    given = [origin.strip() for origin in (origins or "").split(",") if origin.strip()]
    if not given:
        return share_nothing
    plain = sorted(origin for origin in given if EXPRESSION.isdisjoint(origin))
    patterns = [
        re.compile(".*" if origin == "*" else origin, re.IGNORECASE)
        for origin in given
        if not EXPRESSION.isdisjoint(origin)
    ]
    varies = len(given) > 1 or bool(patterns)

    def find_origin(request: Request) -> str | None:
        origin = request.get_header("origin")
        if origin:
            known = origin.lower() in {each.lower() for each in plain} or any(each.match(origin) for each in patterns)
            return origin if known else None
        return "*" if "*" in given else next(iter(plain), None)

    def share(request: Request, response: Response) -> Headers:
        if any(name.lower() == "access-control-allow-origin" for name, _ in response.headers):
            return ()
        origin = find_origin(request)
        if origin is None:
            return ()
        headers = [("access-control-allow-origin", origin)]
        if request.get_header("access-control-request-private-network") == "true":
            headers.append(("access-control-allow-private-network", "false"))
        if (
            request.method == "OPTIONS"
            and (request.get_header("access-control-request-method") or "").upper() in METHODS
        ):
            wanted = sorted(
                each.strip() for each in (request.get_header("access-control-request-headers") or "").split(",")
            )
            if any(wanted):
                headers.append(("access-control-allow-headers", ", ".join(wanted)))
            headers.append(("access-control-allow-methods", ", ".join(METHODS)))
        if varies and origin != "*":
            headers.append(("vary", "Origin"))
        return tuple(headers)

    return share
