"""The one event loop of the worker: it is made when the author's code first needs it, and lives as long as the worker.

It turns while something is awaited, and while the worker waits for its next batch, so that connections which the
author's code keeps open are looked after in between.
"""

from __future__ import annotations

import atexit
import importlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any


class EventLoop:
    """Awaits what the author's code hands over, in the main thread."""

    def __init__(self) -> None:
        self._loop: Any = None
        self._asyncio: Any = None

    @property
    def is_needed(self) -> bool:
        """True once anything was awaited."""
        return self._loop is not None

    def run(self, awaitable: Any) -> Any:
        """Return what an awaitable comes to; whatever it raises comes out."""
        return self._start().run_until_complete(_await(awaitable))

    def run_all(self, awaitables: Sequence[Any]) -> list[Any]:
        """Await all at the same time and return what each came to, or the exception it raised."""

        async def gather() -> list[Any]:
            return list(await self._asyncio.gather(*awaitables, return_exceptions=True))

        return list(self._start().run_until_complete(gather()))

    def iterate(self, stream: Any) -> Iterator[Any]:
        """Yield what an asynchronous generator yields, turning only while the next value is waited for."""
        loop = self._start()
        try:
            while True:
                try:
                    value = loop.run_until_complete(anext(stream))
                except StopAsyncIteration:
                    return
                yield value
        finally:
            loop.run_until_complete(stream.aclose())

    def wait_readable(self, descriptor: int) -> None:
        """Turn until there is something to read at a descriptor."""
        loop = self._start()
        ready = loop.create_future()
        loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
        try:
            loop.run_until_complete(ready)
        finally:
            loop.remove_reader(descriptor)

    def close(self) -> None:
        """Cancel what is still under way; called when the worker ends."""
        if self._loop is None or self._loop.is_closed():
            return
        waiting = self._asyncio.all_tasks(self._loop)
        for task in waiting:
            task.cancel()
        if waiting:
            self._loop.run_until_complete(self._asyncio.wait(waiting, timeout=1))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(self) -> Any:
        if self._loop is None:
            self._asyncio = importlib.import_module("asyncio")  # most workers never need it
            self._loop = self._asyncio.new_event_loop()
            atexit.register(self.close)
        return self._loop


class Accompanied:
    """An awaitable that calls a function each time before it goes on, so that logs name the request it is about."""

    def __init__(self, awaitable: Any, before: Callable[[], None]) -> None:
        self._awaitable = awaitable
        self._before = before

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._awaitable.__await__()
        given: Any = None
        failure: BaseException | None = None
        while True:
            self._before()
            try:
                step = steps.send(given) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value
            try:
                given, failure = (yield step), None
            except BaseException as error:  # noqa: BLE001 - cancellation too is the awaitable's to handle
                given, failure = None, error


async def _await(awaitable: Any) -> Any:
    return await awaitable


async def collect(stream: Any) -> list[Any]:
    """Return everything an asynchronous generator yields."""
    return [item async for item in stream]
