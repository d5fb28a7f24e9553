"""The protocols of platforms, one module each: which routes there are, and how requests and answers look on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..protocol import Route, Service
from . import azure, own

Protocol = Callable[[Service], Iterable[Route]]
PROTOCOLS: tuple[Protocol, ...] = (azure.routes, own.routes)
"""In the order in which they claim paths."""


def gather_routes(service: Service) -> tuple[Route, ...]:
    """Return the routes of all protocols, and let the service know them."""
    routes = tuple(route for protocol in PROTOCOLS for route in protocol(service))
    service.routes = routes
    return routes
