"""Protocols without a server: a request goes in, what the worker would get or the answer comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.runtime.bundle import parse_bundle
from builder.runtime.server.failure import Failure, RefusedError
from builder.runtime.server.intake import Reader
from builder.runtime.server.message import Request, Response
from builder.runtime.server.protocol import Dialect, Intake, Service
from builder.runtime.server.protocols import gather_routes
from builder.runtime.server.router import Router
from builder.runtime.settings import decide_settings


class Nobody:
    peer = ""

    def send(self, request: Request, response: Response) -> None:
        pass


@dataclass(kw_only=True)
class Desk:
    """The routes of one bundle."""

    service: Service
    router: Router
    state: list[str] = field(default_factory=lambda: ["ready"])

    def find(self, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[Request, Any]:
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        request = Request(Nobody(), 0.0, method, target.encode(), named, [body], len(body), request_id="the-id")
        found = self.router.find(request.path)
        assert found is not None, target
        methods, request.parameters = found
        route = methods[method]
        request.route = route.pattern
        return request, route

    def get(self, target: str, **headers: str) -> Response:
        """Answer a request that asks for no prediction."""
        request, route = self.find("GET", target, **headers)
        try:
            if isinstance(route.does, Dialect):  # it asks the worker for what it may add, which here is nothing
                return route.does.write(request, route.does.read(request), (200, [], b"null"))
            return route.does(request)
        except RefusedError as error:
            return route.fail(request, error.failure)

    def read(self, target: str, body: bytes, **headers: str) -> Intake:
        """Return what the worker would get; whatever refuses the request comes out."""
        request, route = self.find("POST", target, body, **headers)
        return route.does.read(request)

    def refuse(self, target: str, body: bytes, **headers: str) -> Response:
        """Return the answer to a request that is refused."""
        request, route = self.find("POST", target, body, **headers)
        try:
            intake = route.does.read(request)
        except RefusedError as error:
            return route.does.fail(request, error.failure)
        raise AssertionError(f"it was read: {intake.payload!r}")

    def answer(self, target: str, body: bytes, predict: Any, **headers: str) -> Response:
        """Return the answer when ``predict`` is the model."""
        request, route = self.find("POST", target, body, **headers)
        intake = route.does.read(request)
        return route.does.write(request, intake, predict(intake.payload) if intake.records else [])

    def fail(self, target: str, failure: Failure) -> Response:
        request, route = self.find("POST", target)
        return route.does.fail(request, failure)


def make_desk(document: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Desk:
    bundle = parse_bundle(document)
    state = ["ready"]
    service = Service(
        bundle=bundle,
        settings=decide_settings(bundle, environment or {}),
        reader=Reader(bundle),
        environment=environment or {},
        read_state=lambda: state[0],
        measure=lambda _request: Response(200, b""),
    )
    return Desk(service=service, router=Router(gather_routes(service)), state=state)
