"""The protocols of platforms, one module each: which routes there are, and how requests and answers look on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..protocol import Route, Service
from . import azure, documents, inference, invocations, kserve, own, sagemaker, vertex

Protocol = Callable[[Service], Iterable[Route]]
PROTOCOLS: tuple[Protocol, ...] = (
    vertex.claim_routes,
    azure.routes,
    sagemaker.routes,
    own.routes,
    documents.routes,
    invocations.routes,
    kserve.routes,
    inference.routes,
    vertex.routes,
)
"""In the order in which they claim paths."""


def gather_routes(service: Service) -> tuple[Route, ...]:
    """Return the routes of all protocols, and let the service know them."""
    routes = [route for protocol in PROTOCOLS for route in protocol(service)]
    routes[:0] = vertex.claim_prediction(service)  # when it is known whether a script reads requests itself
    service.routes = tuple(routes)
    return service.routes
