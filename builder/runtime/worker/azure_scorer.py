"""Azure ML's contract: ``init()`` once, then ``run(…)`` per request, as azureml-inference-server-http 1.5.1 does.

A payload is a whole request (:mod:`.raw`), and so is an answer a whole response: which argument ``run`` gets, and
whether a request can be answered at all, depends on how the script is decorated, which only the worker knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from ..wire import OK
from . import azure_modules
from .azure_input import BadInputError, Form, UnsupportedInputError, UnsupportedMethodError, read_form
from .azure_web import NoWeb, Web
from .output import Journal
from .raw import RawAnswer, RawRequest, make_answer

FAILED = "x-ms-run-function-failed"
EXECUTION = "x-ms-run-fn-exec-ms"
RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
DESCRIBE = "describe"
"""In place of a method: the server asks what a decorated script says of its input and output."""
MARGIN = 0.05
"""Part of the time limit by which ``run`` is interrupted before the server would replace the worker."""


class AzureScorer:
    """Calls ``run``; every outcome is a whole response."""

    def __init__(self, module: ModuleType, journal: Journal, *, timeout: float) -> None:
        for name in ("init", "run"):
            if not callable(getattr(module, name, None)):
                raise TypeError(f"{module.__name__} defines no function {name}")
        inner = getattr(module, "driver_module", None)
        wraps = isinstance(inner, ModuleType) and callable(getattr(inner, "run", None))
        self._run: Callable[..., Any] = inner.run if wraps and inner is not None else module.run
        self._form: Form = read_form(self._run, raw=azure_modules.is_raw_wanted())
        self._timeout = timeout
        self._journal = journal
        self._web: Web = azure_modules.find_web() or NoWeb()
        try:
            module.init()
        except BaseException:
            _show_model_dir(journal)
            raise
        self._web = azure_modules.find_web() or self._web  # init may be what imports Flask

    def describe(self) -> dict[str, Any] | None:
        """Return what a decorated script says of its input and output: versions of Swagger, and a schema each."""
        schemas = sys.modules.get("inference_schema.schema_util")
        if schemas is None or not self._form.decorated:
            return None
        said = {
            "versions": list(schemas.get_supported_versions(self._run)),
            "input": schemas.get_input_schema(self._run),
            "output": schemas.get_output_schema(self._run),
        }
        try:
            return dict(json.loads(json.dumps(said)))
        except (TypeError, ValueError) as error:
            self._journal.write("warning", "kiln", f"the schemas of the script cannot be shown: {error}")
            return None

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Score each request on its own: the contract knows no batches."""
        return [(OK, self._answer(request_id, RawRequest.read(payload))) for request_id, payload in requests]

    def _answer(self, request_id: str, request: RawRequest) -> RawAnswer:
        self._journal.requests = (request_id,)
        if request.method == DESCRIBE:
            return make_answer(200, json.dumps(self.describe()).encode(), ())
        try:
            with self._web.open(request):
                return self._call(request)
        except BadInputError as error:
            return refuse(400, str(error))
        except UnsupportedInputError as error:
            return refuse(415, str(error))
        except UnsupportedMethodError:
            if request.method == "OPTIONS":
                return make_answer(200, b"", (("content-type", "text/html; charset=utf-8"), (FAILED, "False")))
            return refuse(405, "Method not allowed")
        except Exception as error:  # noqa: BLE001 - whatever json or a strange object raises
            self._journal.write_traceback("what was asked or answered cannot be expressed:", error)
            return refuse(500, INTERNAL)

    def _call(self, request: RawRequest) -> RawAnswer:
        arguments = self._form.read(request, self._web.request)
        if self._form.wants_headers:
            arguments["request_headers"] = dict(request.environ_headers())
        started = time.perf_counter()
        try:
            with interrupting(self._timeout * (1 - MARGIN)):
                output = self._run(**arguments)
        except TimeoutError as error:
            self._journal.write_traceback("run took too long, or raised", error)
            return refuse(500, f"Scoring timeout after {round(self._timeout * 1e3)} ms", failed=True)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            self._journal.write_traceback("run raised", error)
            return refuse(500, RUN_FAILED, failed=True)
        spent = (EXECUTION, f"{(time.perf_counter() - started) * 1e3:.3f}")
        if self._web.is_response(output):
            if output.status_code >= 500:
                output.headers[FAILED] = "True"
            output.headers.add(*spent)
            return self._web.render(output, request)
        return make_answer(200, dump(output), (("content-type", "application/json"), (FAILED, "False"), spent))


def dump(output: Any) -> bytes:
    """Return the body Azure ML's server would send: ``{}`` for None, else ``json.dumps``, which refuses arrays."""
    return json.dumps({} if output is None else output).encode()


def refuse(status: int, message: str, *, failed: bool = False) -> RawAnswer:
    """Return an answer in the words of Azure ML's server."""
    headers = (("content-type", "application/json"), (FAILED, str(failed)))
    return make_answer(status, json.dumps({"message": message}).encode(), headers)


@contextlib.contextmanager
def interrupting(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the author's code once the time is up. Code that does not return to Python goes on."""

    def interrupt(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _show_model_dir(journal: Journal, most: int = 200) -> None:
    """Write what the model directory holds: most failures of ``init`` are a path that is not there."""
    root = os.environ.get("AZUREML_MODEL_DIR", "")
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        found += [os.path.relpath(os.path.join(folder, name), root) for name in sorted(files)]  # noqa: PTH118
        if len(found) > most:
            break
    shown = found[:most] + (["…"] if len(found) > most else [])
    journal.write("error", "kiln", f"init failed; AZUREML_MODEL_DIR={root} holds: {', '.join(shown) or 'nothing'}")
