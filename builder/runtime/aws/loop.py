"""The life of a Lambda function: load the model, then one invocation after another until the process is ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..bundle import Bundle
from ..server.inside import Inside
from ..server.intake import Reader
from ..server.logs import Log
from ..server.message import Response
from ..server.schema import SchemaError
from ..settings import Settings
from ..spawn import Spawned
from .events import DIRECT, Call, read_event, write_answer
from .runtime_api import Invocation, RuntimeApi, RuntimeApiError

LARGEST_ANSWER = 6 * 1024 * 1024
"""Bytes of an answer that Lambda passes on."""
INIT_TIME = 8.0
"""Seconds to load the model before the first invocation is asked for. Lambda starts a function anew that takes longer
than 10 s; what is not loaded by then goes on loading during the first invocation."""
MARGIN = 0.3
"""Seconds before the deadline at which a caller is told that there is no answer."""
STATUS_KINDS = {
    400: "InvalidRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "RequestTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    503: "ModelNotReady",
    504: "Timeout",
}
ROUTES = {"azure": "/score", "sagemaker": "/invocations"}
"""Where a direct invocation goes, by contract; others go to /predict."""


def run(
    bundle: Bundle, settings: Settings, address: str, spawned: list[Spawned], environment: Mapping[str, str]
) -> int:
    """Serve invocations until SIGTERM; return 0 then, 70 when the model does not load, 1 when the API fails."""
    log = Log()
    try:
        return asyncio.run(_serve(bundle, settings, log, RuntimeApi(address), spawned=spawned, environment=environment))
    finally:
        log.close()


async def _serve(
    bundle: Bundle,
    settings: Settings,
    log: Log,
    api: RuntimeApi,
    *,
    spawned: list[Spawned],
    environment: Mapping[str, str],
) -> int:
    try:
        reader = Reader(bundle)
    except SchemaError as error:
        api.fail_to_start("Runtime.InvalidSchema", str(error))
        return 78
    loop = asyncio.get_running_loop()
    stop = loop.create_future()

    def end() -> None:
        if not stop.done():
            stop.set_result(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    inside = Inside(bundle, settings, log, reader, environment)
    inside.start(spawned)
    lambda_loop = LambdaLoop(inside, api)
    serving = loop.create_task(lambda_loop.serve())
    await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    try:
        return 0 if stop.done() else serving.result()
    except RuntimeApiError as error:
        log.write("critical", str(error))
        return 1
    finally:
        inside.close()
        if not serving.done():  # a thread waits for an invocation, and nothing wakes it
            log.write("info", "SIGTERM: ending")
            log.close()
            os._exit(0)


class LambdaLoop:
    """Takes invocations and answers them, one at a time."""

    def __init__(self, inside: Inside, api: RuntimeApi) -> None:
        self._inside = inside
        self._api = api
        self._threads = ThreadPoolExecutor(1, "runtime-api")
        self._route = ROUTES.get(inside.bundle.contract, "/predict")

    async def serve(self) -> int:
        """Serve until the process ends; return the exit code when the model does not load."""
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        loaded = await self._inside.wait_ready(INIT_TIME)
        if self._inside.gave_up.done():
            message = "the model does not load; the log has the traceback"
            await loop.run_in_executor(self._threads, self._api.fail_to_start, "Runtime.ModelDoesNotLoad", message)
            return 70
        seconds = round(time.monotonic() - started, 3)
        self._inside.log.write(
            "info" if loaded else "warning",
            "initialised" if loaded else "the model is still loading; the first invocation waits for it",
            model=self._inside.bundle.name,
            version=self._inside.bundle.version,
            seconds=seconds,
        )
        while True:
            invocation = await loop.run_in_executor(self._threads, self._api.take_next)
            await self._handle(invocation)

    async def _handle(self, invocation: Invocation) -> None:
        """Answer one invocation."""
        if invocation.trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
        try:
            event = json.loads(invocation.event)
            call = read_event(event, self._route)
            response = await self._ask(call, invocation)
        except Exception as error:  # noqa: BLE001 - whoever may invoke may send anything, and one event must not end all
            await self._send(self._api.fail, invocation, "InvalidEvent", str(error) or type(error).__name__)
            return
        if call.kind != DIRECT:
            await self._send_http(invocation, call, response)
        elif response.status < 300:
            await self._send_answer(invocation, response.body or b"null")
        else:
            await self._send_failure(invocation, response)

    async def _ask(self, call: Call, invocation: Invocation) -> Response:
        """Put the event to the routes; past the deadline there is an answer that says so."""
        headers = list(call.headers)
        names = {name for name, _ in headers}
        if "x-request-id" not in names:
            headers.append(("x-request-id", invocation.request_id))
        if invocation.trace_id and "x-amzn-trace-id" not in names:
            headers.append(("x-amzn-trace-id", invocation.trace_id))
        if len(call.body) > self._inside.settings.max_body:
            limit = self._inside.settings.max_body
            return _refuse(413, f"the body has {len(call.body)} bytes; the limit is {limit}")
        answer = self._inside.ask(call.method, call.target, headers, call.body, call.client)
        left = max(0.0, invocation.deadline - time.time() - MARGIN)
        gave_up = self._inside.gave_up
        either: set[asyncio.Future[Any]] = {answer, gave_up}
        await asyncio.wait(either, timeout=min(left, 1e6), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if gave_up.done():
            return _refuse(503, "the model does not load")
        return _refuse(504, "no answer before the function's own deadline")

    async def _send_http(self, invocation: Invocation, call: Call, response: Response) -> None:
        answer = write_answer(call, response.status, response.content_type, response.headers, response.body)
        body = json.dumps(answer).encode()
        if len(body) > LARGEST_ANSWER:
            refused = _refuse(413, _tell_size(len(body)))
            body = json.dumps(
                write_answer(call, refused.status, refused.content_type, response.headers, refused.body)
            ).encode()
        await self._send(self._api.answer, invocation, body)

    async def _send_answer(self, invocation: Invocation, body: bytes) -> None:
        if len(body) > LARGEST_ANSWER:
            await self._send(self._api.fail, invocation, "ResponseTooLarge", _tell_size(len(body)))
        else:
            await self._send(self._api.answer, invocation, body)

    async def _send_failure(self, invocation: Invocation, response: Response) -> None:
        try:
            told: Any = json.loads(response.body)
        except ValueError:
            told = None
        more: dict[str, Any] = {"statusCode": response.status}
        message = f"HTTP {response.status}"
        if isinstance(told, dict):
            message = str(told.get("message") or told.get("error") or message)
            if told.get("faults"):
                more["faults"] = told["faults"]
        kind = STATUS_KINDS.get(response.status, "ScoringFailed" if response.status >= 500 else "InvalidRequest")
        await self._send(self._api.fail, invocation, kind, message, more)

    async def _send(self, send: Any, *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, send, *arguments)


def _refuse(status: int, message: str) -> Response:
    return Response(status, json.dumps({"error": message, "message": message}).encode())


def _tell_size(size: int) -> str:
    return f"the answer has {size} bytes; Lambda passes on {LARGEST_ANSWER} at most"
