"""What each route does. Nothing here waits: an answer that needs the model is sent when the model has answered."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from ..bundle import Bundle
from ..settings import Settings
from ..wire import OK, USER_ERROR
from .intake import Intake, Reader, RefusedError
from .logs import Log
from .measures import Measures
from .message import JSON, LONGEST_ID, Headers, Request, Response, is_printable, make_request_id, to_json
from .metrics import CONTENT_TYPE
from .pool import Pool
from .work import LOST, NOT_READY, TIMED_OUT, QueueFullError, Work

Route = Callable[[Request], None]
QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Routes whose answers are logged only on demand, since probes ask every few seconds; metrics count them all."""
RETRY = (("retry-after", "1"),)


def fail(status: int, error: str, headers: Headers = (), **more: Any) -> Response:
    """Return an answer that says what went wrong, under the keys that clients of all platforms read."""
    return Response(status, to_json({"error": error, "message": error, **more}), headers=headers)


class Application:
    """Answers requests."""

    def __init__(
        self,
        *,
        bundle: Bundle,
        settings: Settings,
        pool: Pool,
        reader: Reader,
        log: Log,
        measures: Measures,
        count_connections: Callable[[], int],
    ) -> None:
        self._bundle = bundle
        self._settings = settings
        self._pool = pool
        self._reader = reader
        self._log = log
        self._measures = measures
        self._count_connections = count_connections
        self._azure = bundle.contract == "azure"
        score = self._score_azure if self._azure else self._score
        self._version_header = f"modelkiln/{bundle.document.get('kiln', {}).get('version', '0')}"
        self._routes: dict[str, dict[str, Route]] = {
            "/": {"GET": self._describe},
            "/livez": {"GET": self._live},
            "/readyz": {"GET": self._ready},
            "/metrics": {"GET": self._measure},
            "/predict": {"POST": self._score},
            "/score": {"POST": score},
        }
        if self._azure:
            self._routes["/score"] |= {"GET": score, "OPTIONS": self._allow}

    # --- every request

    def handle(self, request: Request) -> None:
        """Answer a request, now or later, exactly once; a fault of ours is a 500 and a log line."""
        given = request.get_header("x-request-id")
        request.request_id = given if given and len(given) <= LONGEST_ID and is_printable(given) else make_request_id()
        path = request.path
        methods = self._routes.get(path)
        if methods is None:
            self._answer(request, fail(404, f"There is no route {path}."))
            return
        request.route = path
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join(sorted(methods))
            self._answer(request, fail(405, f"{path} takes {allowed}, not {request.method}.", (("allow", allowed),)))
            return
        try:
            route(request)
        except Exception as error:  # noqa: BLE001 - one request must not end the server
            self._log.write("error", f"internal error: {error!r}", request_id=request.request_id, exception=show(error))
            self._answer(request, fail(500, "internal error", request_id=request.request_id))

    def _answer(self, request: Request, response: Response) -> None:
        response.headers = (("x-request-id", request.request_id), *response.headers)
        size = request.size
        if not request.gone:
            request.respond(response)
        spent = time.monotonic() - request.started
        self._measures.requests.add((request.route, str(response.status)))
        self._measures.request_seconds.observe(spent, (request.route,))
        if self._settings.access_log and (self._settings.probe_log or request.route not in QUIET):
            line: dict[str, Any] = {
                "method": request.method,
                "path": request.path,
                "status": 499 if request.gone else response.status,
                "duration_ms": round(spent * 1e3, 3),
                "bytes_in": size,
                "bytes_out": len(response.body),
                "request_id": request.request_id,
                "client": request.sender.peer,
            }
            if request.scoring is not None:
                queued, scored, batch = request.scoring
                line |= {"queue_ms": round(queued * 1e3, 3), "model_ms": round(scored * 1e3, 3), "batch": batch}
            level = "error" if response.status >= 500 else "warning" if response.status >= 400 else "info"
            if request.route in QUIET:
                level = "info"  # a probe that is told "not yet" is no fault
            self._log.write(level, "request", logger="kiln.access", **line)

    # --- health and description

    def _live(self, request: Request) -> None:
        self._answer(request, Response(200, b'{"status":"alive"}'))

    def _ready(self, request: Request) -> None:
        state = self._pool.state
        headers = () if state == "ready" else RETRY
        self._answer(request, Response(200 if state == "ready" else 503, to_json({"status": state}), headers=headers))

    def _measure(self, request: Request) -> None:
        page = self._measures.render(self._pool, self._count_connections, lambda: self._log.dropped)
        self._answer(request, Response(200, page, CONTENT_TYPE))

    def _describe(self, request: Request) -> None:
        document = self._bundle.document
        about = {
            "status": "alive",
            "ready": self._pool.state == "ready",
            "name": self._bundle.name,
            "version": self._bundle.version,
            "description": document.get("description"),
            "owner": document.get("owner"),
            "contract": self._bundle.contract,
            "routes": sorted(self._routes),
        }
        self._answer(request, Response(200, to_json(about)))

    def _allow(self, request: Request) -> None:
        self._answer(request, Response(200, b"", "text/html; charset=utf-8"))

    # --- scoring

    def make_warm_up(self) -> Work | None:
        """Return the work of scoring the bundle's sample, or nothing when there is none that is accepted."""
        sample = self._bundle.sample
        if sample is None:
            return None
        try:
            intake = self._reader.read(sample.body.encode(), sample.content_type, [])
        except RefusedError as error:
            self._log.write("warning", "the sample of the bundle is refused", answer=error.response.body.decode())
            return None
        return Work("warm-up", intake.payload, intake.records, time.monotonic(), lambda _work, _outcome, _value: None)

    def _score(self, request: Request) -> None:
        self._submit(request, self._finish_azure if self._azure else self._finish)

    def _submit(self, request: Request, finish: Callable[[Request, Work, str, Any], None]) -> None:
        try:
            if request.method == "GET":
                query = json.dumps(read_query(request.query))
                intake = Intake(payload=(query, request.headers), records=1)
            else:
                intake = self._reader.read(request.body, request.get_header("content-type"), request.headers)
        except RefusedError as error:
            self._answer(request, error.response)
            return
        if intake.records == 0:
            self._answer(request, Response(200, b'{"predictions":[]}'))
            return

        def done(work: Work, outcome: str, value: Any) -> None:
            if work.sent:
                request.scoring = (work.sent - work.arrived, work.spent, work.batch)
            finish(request, work, outcome, value)

        work = Work(request.request_id, intake.payload, intake.records, request.started, done)
        try:
            self._pool.submit(work)
        except QueueFullError:
            full = f"{self._settings.max_queue} requests are waiting already."
            self._answer(request, fail(429, full, RETRY))

    def _finish(self, request: Request, _work: Work, outcome: str, value: Any) -> None:
        if outcome == OK:
            self._answer(request, Response(200, to_json({"predictions": value})))
        else:
            self._answer(request, self._explain(request, outcome))

    def _explain(self, request: Request, outcome: str) -> Response:
        match outcome:
            case _ if outcome == TIMED_OUT:
                error = f"no answer within {self._settings.request_timeout:g} s"
                return fail(504, error, request_id=request.request_id)
            case _ if outcome == LOST:
                return fail(503, "the worker scoring this request ended", RETRY, request_id=request.request_id)
            case _ if outcome == NOT_READY:
                error = "the model does not load" if self._pool.state == "failed" else "the model is not loaded yet"
                return fail(503, error, RETRY, request_id=request.request_id)
            case _:
                return fail(500, "scoring failed", request_id=request.request_id)

    # --- Azure ML's manners

    def _score_azure(self, request: Request) -> None:
        ids = (request.get_header("x-request-id"), request.get_header("x-ms-request-id"))
        client = request.get_header("x-ms-client-request-id")
        if any(each is not None and len(each) > LONGEST_ID for each in (*ids, client)):
            which = "x-request-id" if len(ids[0] or "") > LONGEST_ID else "x-ms-request-id and x-ms-client-request-id"
            self._answer(
                request, Response(431, to_json({"message": f"{which} must not exceed {LONGEST_ID} characters"}))
            )
            return
        self._submit(request, self._finish_azure)

    def _finish_azure(self, request: Request, _work: Work, outcome: str, value: Any) -> None:
        failed = True
        headers: Headers = ()
        match outcome:
            case _ if outcome == OK:
                body, spent = value
                failed = False
                headers = (("x-ms-run-fn-exec-ms", f"{spent:.3f}"),)
                response = Response(200, body.encode())
            case _ if outcome == TIMED_OUT:
                text = f"Scoring timeout after {self._settings.request_timeout * 1e3:g} ms"
                response = Response(500 if request.route == "/score" else 504, to_json({"message": text}))
            case _ if outcome == USER_ERROR:
                text = "An unexpected error occurred in scoring script. Check the logs for more info."
                response = Response(500, to_json({"message": text}))
            case _ if outcome in (LOST, NOT_READY):
                response = self._explain(request, outcome)
            case _:
                failed = False
                text = "An unexpected internal error occurred. Check the logs for more info."
                response = Response(500, to_json({"message": text}))
        response.headers = (
            *response.headers,
            ("x-ms-run-function-failed", str(failed)),
            *headers,
            ("x-ms-server-version", self._version_header),
            *find_azure_ids(request),
        )
        response.content_type = JSON
        self._answer(request, response)


def find_azure_ids(request: Request) -> Headers:
    """Return the identifiers Azure ML's server sends back beside x-request-id."""
    legacy, client = request.get_header("x-ms-request-id") or "", request.get_header("x-ms-client-request-id") or ""
    if legacy:
        client = client or legacy
    else:
        legacy = client or request.request_id
    pairs = (
        ("x-ms-request-id", legacy),
        ("x-ms-client-request-id", client),
        ("TraceId", request.get_header("traceid")),
    )
    return tuple((name, value) for name, value in pairs if value and is_printable(value))


def read_query(query: str) -> dict[str, Any]:
    """Return a query's parameters as Azure ML's server passes them on: each JSON if it can be, repeated ones a list."""
    found: dict[str, list[Any]] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def show(error: BaseException) -> str:
    """Return the traceback of an exception."""
    return "".join(traceback.format_exception(error))
