"""Every request: which route it is for, the model's work if it asks for some, its answer, and the line in the log.

Nothing here waits: an answer that needs the model is sent when the model has answered.
"""

from __future__ import annotations

import os
import time
import traceback
from typing import Any

from ..bundle import Bundle
from ..settings import Settings
from ..wire import CANCELLED, INTERNAL_ERROR, OK, REFUSED, SCORE, STREAM
from . import streaming
from .encoding import unpack
from .exposition import OPEN_METRICS, wants_open_metrics
from .failure import RETRY, UNSPEAKABLE, Failure, RefusedError
from .intake import Reader, is_json
from .logs import Log
from .measures import Measures
from .message import LONGEST_ID, Request, Response, is_printable, make_request_id
from .metrics import CONTENT_TYPE
from .observer import CLIENT_GONE, Observer
from .pool import Pool
from .protocol import Dialect, Fail, Intake, Service
from .protocols import gather_routes
from .router import Router
from .work import LOST, NOT_READY, TIMED_OUT, QueueFullError, Work


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
        observer: Observer,
    ) -> None:
        self._bundle = bundle
        self._settings = settings
        self._pool = pool
        self._log = log
        self._measures = measures
        self._observer = observer
        self._service = Service(
            bundle=bundle,
            settings=settings,
            reader=reader,
            environment=os.environ,
            read_state=lambda: pool.state,
            measure=self._measure,
        )
        pool.learn_columns = reader.learn_columns
        self._router = Router(gather_routes(self._service))
        observer.quiet = frozenset(route.pattern for route in self._router.routes if route.quiet)

    # --- every request

    def handle(self, request: Request) -> None:
        """Answer a request, now or later, exactly once; a fault of ours is a 500 and a log line.

        One that is refused already, since it never became whole, has its answer with it.
        """
        given = request.get_header("x-request-id")
        request.request_id = given if given and len(given) <= LONGEST_ID and is_printable(given) else make_request_id()
        self._observer.begin(request)
        path = request.path
        found = self._router.find(path)
        if request.refusal is not None:
            if found is not None:
                request.route = next(iter(found[0].values())).pattern
            self._answer(request, request.refusal)
            return
        if found is None:
            failure = Failure(status=404, message=f"There is no route {path}.")
            self._answer(request, self._router.find_fail(path)(request, failure))
            return
        methods, request.parameters = found
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            any_route = next(iter(methods.values()))
            request.route = any_route.pattern
            allowed = ", ".join(sorted(methods))
            message = f"{path} takes {allowed}, not {request.method}."
            failure = Failure(status=405, message=message, headers=(("allow", allowed),))
            self._answer(request, any_route.fail(request, failure))
            return
        request.route = route.pattern
        does = route.does
        try:
            if isinstance(does, Dialect):
                self._score(request, does)
            else:
                self._answer(request, does(request))
        except RefusedError as error:
            self._answer(request, self._word(route.fail, request, error.failure))
        except Exception as error:  # noqa: BLE001 - one request must not end the server
            self._answer(request, self._stumble(request, error, route.fail))

    def word(self, request: Request, failure: Failure) -> Response:
        """Return the answer to a request that is refused before it is whole, in the words of its route."""
        found = self._router.find(request.path)
        fail = self._router.find_fail(request.path) if found is None else next(iter(found[0].values())).fail
        return fail(request, failure)

    def _stumble(self, request: Request, error: Exception, fail: Fail) -> Response:
        self._log.write("error", f"internal error: {error!r}", request_id=request.request_id, exception=show(error))
        failure = Failure(status=500, message="internal error", outcome=INTERNAL_ERROR, request_id=request.request_id)
        return fail(request, failure)

    def _answer(self, request: Request, response: Response) -> None:
        response.headers = (("x-request-id", request.request_id), *self._observer.answer(request), *response.headers)
        request.when_gone = None
        size = request.size
        if not request.gone:
            request.respond(response)
        self._observer.finish(request, response, size)

    def _measure(self, request: Request) -> Response:
        open_metrics = wants_open_metrics(request.get_header("accept"))
        page = self._measures.render(open_metrics=open_metrics)
        return Response(200, page, OPEN_METRICS if open_metrics else CONTENT_TYPE)

    def _word(self, fail: Fail, request: Request, failure: Failure) -> Response:
        for fault in failure.faults:
            self._measures.refused.add((fault.rule,))
        return fail(request, failure)

    # --- scoring

    def make_warm_up(self) -> Work | None:
        """Return the work of scoring the bundle's sample, or nothing when there is none that is accepted."""
        sample = self._bundle.sample
        if sample is None:
            return None
        in_json = self._bundle.contract not in {"predict", "none"} or is_json(sample.content_type)
        path = "/predict" if in_json else "/invocations"
        found = self._router.find(path)
        route = found[0].get("POST") if found else None
        if route is None or not isinstance(route.does, Dialect):
            return None
        body = sample.body.encode()
        request = Request(
            NOBODY,
            time.monotonic(),
            method="POST",
            target=path.encode(),
            headers=[("content-type", sample.content_type)],
            chunks=[body],
            size=len(body),
        )
        try:
            intake = route.does.read(request)
        except RefusedError as error:
            answer = route.does.fail(request, error.failure).body.decode()
            self._log.write("warning", "the sample of the bundle is refused", answer=answer)
            return None
        if intake.proceed is not None:
            return None

        def done(_work: Work, outcome: str, value: Any) -> None:
            if outcome == OK and isinstance(value, list) and value:
                self._service.sample_prediction = value[0]

        return Work("warm-up", intake.payload, intake.records, time.monotonic(), done)

    def _score(self, request: Request, dialect: Dialect) -> None:
        try:
            try:
                intake = dialect.read(request)
            except RefusedError:
                if not self._unpack(request):
                    raise
                intake = dialect.read(request)
        except RefusedError as error:
            self._answer(request, self._word(dialect.fail, request, error.failure))
            return
        self._submit(request, dialect, intake)

    def _unpack(self, request: Request) -> bool:
        """Unpack the body of a request that cannot be read as it is; say whether it was packed."""
        encoding = request.get_header("content-encoding")
        if encoding is None or encoding.strip().lower() in {"", "identity"} or not request.size:
            return False
        request.chunks[:] = [unpack(request.body, encoding, self._settings.max_body)]
        return True

    def _submit(self, request: Request, dialect: Dialect, intake: Intake) -> None:
        if intake.records == 0:
            self._answer(request, dialect.write(request, intake, []))
            return
        intake.place = self._service.reader.place

        def done(work: Work, outcome: str, value: Any) -> None:
            if work.sent:
                request.scoring = (work.sent - work.arrived, work.spent, work.batch)
            self._finish(request, dialect, intake, outcome, value)

        work = Work(request.request_id, intake.payload, intake.records, request.started, done, intake.kind)
        work.trace = self._observer.place_scoring(request)
        request.when_gone = lambda: self._pool.cancel(work)
        if dialect.streams and self._pool.streams and intake.kind == SCORE:
            self._make_streamed(request, work)
        try:
            self._pool.submit(work)
        except QueueFullError:
            full = f"{self._settings.max_queue} requests are waiting already."
            self._answer(request, dialect.fail(request, Failure(status=429, message=full, headers=RETRY)))

    def _make_streamed(self, request: Request, work: Work) -> None:
        """Have the answer sent while it is made, if the client can take it so."""
        form = streaming.choose_form(request.get_header("accept"))
        if request.streamer is None or form is None:
            return
        size, done = request.size, work.done
        stream = streaming.Stream(
            request=request,
            streamer=request.streamer,
            form=form,
            pool=self._pool,
            headers=(("x-request-id", request.request_id), *self._observer.answer(request)),
            explain=lambda outcome: self._explain(request, outcome),
            complain=lambda error: self._complain(request, error),
            finished=lambda response: self._observer.finish(request, response, size),
        )

        def end(ended: Work, outcome: str, value: Any) -> None:
            if ended.sent:
                request.scoring = (ended.sent - ended.arrived, ended.spent, ended.batch)
            if not stream.end(outcome):
                done(ended, outcome, value)

        work.kind, work.part, work.done = STREAM, stream.add, end

    def _finish(self, request: Request, dialect: Dialect, intake: Intake, outcome: str, value: Any) -> None:
        try:
            if outcome == REFUSED:
                refusal = self._service.reader.word_refusals(intake.place, value)
                response = self._word(dialect.fail, request, refusal.failure)
            elif outcome != OK:
                response = dialect.fail(request, self._explain(request, outcome))
            elif intake.proceed is not None:
                self._submit(request, dialect, intake.proceed(value))
                return
            else:
                response = dialect.write(request, intake, value)
        except RefusedError as error:
            response = self._word(dialect.fail, request, error.failure)
        except UNSPEAKABLE as error:
            self._complain(request, error)
            response = dialect.fail(request, self._explain(request, INTERNAL_ERROR))
        except Exception as error:  # noqa: BLE001 - one request must not end the server
            response = self._stumble(request, error, dialect.fail)
        self._answer(request, response)

    def _complain(self, request: Request, error: Exception) -> None:
        about = f"the answer cannot be sent: {error}"
        self._log.write("error", about, request_id=request.request_id, exception=show(error))

    def _explain(self, request: Request, outcome: str) -> Failure:
        status, headers = 503, RETRY
        match outcome:
            case _ if outcome == TIMED_OUT:
                status, headers = 504, ()
                message = f"no answer within {self._settings.request_timeout:g} s"
            case _ if outcome == LOST:
                message = "the worker scoring this request ended"
            case _ if outcome == NOT_READY:
                message = "the model does not load" if self._pool.state == "failed" else "the model is not loaded yet"
            case _ if outcome == CANCELLED:
                status, headers = CLIENT_GONE, ()
                message = "nobody waited for the answer"
            case _:
                status, headers = 500, ()
                message = "scoring failed"
        return Failure(status=status, message=message, headers=headers, outcome=outcome, request_id=request.request_id)


class Nobody:
    """The sender of a request that nobody made."""

    peer = ""

    def send(self, request: Request, response: Response) -> None:
        """Send nothing."""


NOBODY = Nobody()


def show(error: BaseException) -> str:
    """Return the traceback of an exception."""
    return "".join(traceback.format_exception(error))
