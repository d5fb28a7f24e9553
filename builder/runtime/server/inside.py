"""The service without a port: workers, routes and schema for commands that bring their requests themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from ..bundle import Bundle
from ..settings import Settings
from ..spawn import Spawned
from .application import Application
from .intake import Reader
from .logs import Log
from .measures import Measures
from .message import Request, Response
from .observer import Observer
from .pool import Pool


class Waiting:
    """The sender of one request: whoever asked waits for the response."""

    def __init__(self, peer: str, loop: asyncio.AbstractEventLoop) -> None:
        self.peer = peer
        self.response: asyncio.Future[Response] = loop.create_future()

    def send(self, request: Request, response: Response) -> None:  # noqa: ARG002 - the protocol of senders
        """Take the response."""
        if not self.response.done():
            self.response.set_result(response)


class Inside:
    """One bundle's workers and routes. Made and used inside a running event loop."""

    def __init__(
        self, bundle: Bundle, settings: Settings, log: Log, reader: Reader, environment: Mapping[str, str]
    ) -> None:
        self.bundle = bundle
        self.settings = settings
        self.log = log
        self.reader = reader
        self.loop = asyncio.get_running_loop()
        self.gave_up: asyncio.Future[None] = self.loop.create_future()
        """Done when the model did not load."""
        measures = Measures(bundle)
        self.pool = Pool(
            bundle=bundle,
            settings=settings,
            loop=self.loop,
            log=log,
            measures=measures,
            environment=environment,
            give_up=self._give_up,
        )
        self.application = Application(
            bundle=bundle,
            settings=settings,
            pool=self.pool,
            reader=reader,
            log=log,
            measures=measures,
            observer=Observer(settings, log, measures),
        )

    def start(self, spawned: Iterable[Spawned]) -> None:
        """Take over worker processes that were started already."""
        self.pool.start(spawned, self.application.make_warm_up)

    async def wait_ready(self, limit: float = float("inf")) -> bool:
        """Wait until a model is loaded; return false when it does not load, or not within the limit in seconds."""
        end = time.monotonic() + limit
        while self.pool.state != "ready":
            left = end - time.monotonic()
            if self.gave_up.done() or left <= 0:
                return False
            await asyncio.wait([self.gave_up], timeout=min(0.01, left))
        return True

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes, peer: str = ""
    ) -> asyncio.Future[Response]:
        """Put a request to the routes, as if it had come by a connection; the limit of the body holds here too."""
        sender = Waiting(peer, self.loop)
        request = Request(
            sender,
            time.monotonic(),
            method=method,
            target=target.encode("latin-1", "replace"),
            headers=list(headers),
            chunks=[body],
            size=len(body),
        )
        self.application.handle(request)
        return sender.response

    def close(self) -> None:
        """End the workers."""
        self.pool.close()

    def _give_up(self) -> None:
        if not self.gave_up.done():
            self.gave_up.set_result(None)
