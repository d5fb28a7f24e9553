"""SageMaker's contract: ``model_fn`` once, then ``input_fn``, ``predict_fn`` and ``output_fn``, or ``transform_fn``.

As sagemaker-inference 1.10.1 calls them. A payload is a whole request (:mod:`.raw`), an answer a whole response.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import ModuleType
from typing import Any

from ..wire import OK
from . import sagemaker_forms as forms
from .output import Journal
from .raw import RawAnswer, RawRequest, make_answer
from .sagemaker_context import Context

STEPS = ("input_fn", "predict_fn", "output_fn")
DEFAULT_ACCEPT = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
FAILED = "scoring failed"


class NotAcceptableError(Exception):
    """No content type the client takes is one the default ``output_fn`` writes."""


class SageMakerScorer:
    """Calls the functions of the script; every outcome is a whole response."""

    def __init__(self, module: ModuleType, journal: Journal, *, model_dir: str) -> None:
        found = {name: getattr(module, name, None) for name in ("model_fn", "transform_fn", *STEPS)}
        if found["model_fn"] is None:
            raise TypeError(f"{module.__name__} defines no function model_fn")
        given = [name for name in STEPS if found[name] is not None]
        if found["transform_fn"] is not None and given:
            raise TypeError(f"{module.__name__} defines transform_fn, which stands in for {', '.join(given)}")
        self._journal = journal
        self._model_dir = model_dir
        start = Context(model_dir, RawRequest("GET", "/", (), b""), "")
        if (prepare := getattr(module, "pre_model_fn", None)) is not None:
            call(prepare, (model_dir,), start)
        self._model = call(found["model_fn"], (model_dir,), start)
        if (warm_up := getattr(module, "model_warmup_fn", None)) is not None:
            call(warm_up, (model_dir, self._model), start)
        self._transform = found["transform_fn"]
        self._input: Callable[..., Any] = found["input_fn"] or read_input
        self._predict: Callable[..., Any] = found["predict_fn"] or find_predict(module, self._model, self._transform)
        self._output: Callable[..., Any] = found["output_fn"] or write_output

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Score each request on its own: the contract knows no batches."""
        return [(OK, self._answer(request_id, RawRequest.read(payload))) for request_id, payload in requests]

    def _answer(self, request_id: str, request: RawRequest) -> RawAnswer:
        self._journal.requests = (request_id,)
        context = Context(self._model_dir, request, request_id)
        try:
            body, content_type = self._call(request, context)
            answer = dump(body)
        except forms.UnsupportedFormatError as error:
            return refuse(415, str(error))
        except NotAcceptableError as error:
            return refuse(406, str(error))
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            return self._explain(error, request_id)
        headers = [("content-type", content_type), *context.headers]
        return make_answer(context.status or 200, answer, headers)

    def _call(self, request: RawRequest, context: Context) -> tuple[Any, str]:
        content_type = request.get("content-type")
        accept = request.get("accept") or forms.ANY
        if accept == forms.ANY:
            accept = os.environ.get(DEFAULT_ACCEPT) or forms.JSON
        body: Any = bytearray(request.body)  # as the model server of SageMaker's containers has it
        if content_type in forms.UTF8_TYPES:
            body = decode_text(request.body)
        if self._transform is not None:
            result = call(self._transform, (self._model, body, content_type, accept), context)
        else:
            data = call(self._input, (body, content_type), context)
            result = call(self._output, (call(self._predict, (data, self._model), context), accept), context)
        chosen = context.content_type or accept
        return (result[0], str(result[1])) if isinstance(result, tuple) else (result, chosen)

    def _explain(self, error: Exception, request_id: str) -> RawAnswer:
        """Word a failure: the status a script chose, 400 for a body that the default ``input_fn`` cannot read."""
        if isinstance(error, BadBodyError):
            return refuse(400, str(error))
        toolkit = sys.modules.get("sagemaker_inference.errors")
        kinds = (forms.BaseInferenceToolkitError, getattr(toolkit, "BaseInferenceToolkitError", ()))
        for kind in kinds:
            if kind and isinstance(error, kind):
                chosen: Any = error
                self._journal.write_traceback("the script refused:", error)
                return refuse(int(chosen.status_code), str(chosen.message))
        self._journal.write_traceback("the script raised", error)
        return refuse(500, FAILED, request_id=request_id)


class BadBodyError(Exception):
    """A body that is not what its content type says."""


def call(function: Callable[..., Any], arguments: tuple[Any, ...], context: Context) -> Any:
    """Call a function of the script, with the context as its last argument if it takes one more."""
    taken = len(inspect.signature(function).parameters)
    if taken == len(arguments):
        return function(*arguments)
    if taken == len(arguments) + 1:
        return function(*arguments, context)
    name = getattr(function, "__name__", "the function")
    raise TypeError(f"{name} takes {taken} arguments, and gets {len(arguments)}, or one more with a context")


def find_predict(module: ModuleType, model: Any, transform: Any) -> Callable[..., Any]:
    """Return the default ``predict_fn``: the model's own ``predict``, as containers of frameworks have it."""
    if transform is None and not callable(getattr(model, "predict", None)):
        raise TypeError(f"{module.__name__} defines no predict_fn, and the model has no method predict")
    return lambda data, loaded: loaded.predict(data)


def read_input(body: Any, content_type: str | None) -> Any:
    """Return an array of the body: JSON, CSV, NPY or NPZ; a body without a content type is taken for JSON."""
    kind = (content_type or forms.JSON).partition(";")[0].strip().lower()
    if kind not in forms.DECODED:
        raise forms.UnsupportedFormatError(content_type)
    try:
        return forms.decode(body, kind)
    except (ValueError, EOFError) as error:
        raise BadBodyError(f"The body cannot be read as {kind}: {error}") from error


def write_output(prediction: Any, accept: str) -> tuple[Any, str]:
    """Return the prediction in the first content type of ``Accept`` that there is a form for."""
    wanted = [re.sub(r";.*", "", each).strip().lower() for each in accept.split(",")]
    for each in wanted:
        kind = forms.JSON if each in {forms.ANY, "application/*"} else each
        if kind in forms.ENCODED:
            return forms.encode(prediction, kind), kind
    raise NotAcceptableError(f"The answer can be {', '.join(forms.ENCODED)}, but none of them is in {accept!r}.")


def decode_text(body: bytes) -> str:
    """Return the body as text; it is refused when it is not UTF-8."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadBodyError(f"The body is not UTF-8: {error}") from error


def dump(result: Any) -> bytes:
    """Return what was answered as bytes; what is neither text nor bytes becomes JSON."""
    if isinstance(result, bytes | bytearray | memoryview):
        return bytes(result)
    return result.encode() if isinstance(result, str) else json.dumps(result).encode()


def refuse(status: int, message: str, **more: Any) -> RawAnswer:
    """Return the answer to a request that has none."""
    known = status if status in set(HTTPStatus) or 400 <= status < 600 else 500
    body = json.dumps({"error": message, "message": message, **more}).encode()
    return make_answer(known, body, [("content-type", forms.JSON)])
