"""Which arguments ``run`` gets, by how it is decorated."""

from __future__ import annotations

import codecs
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from .raw import RawRequest

HEADERS_PARAMETER = "request_headers"
BAD_BYTES = "kiln.quote"


class BadInputError(Exception):
    """The request is answered 400."""


class UnsupportedInputError(Exception):
    """The request is answered 415."""


class UnsupportedMethodError(Exception):
    """The request is answered 405; OPTIONS is answered 200."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How ``run`` is to be called."""

    parameters: tuple[inspect.Parameter, ...]
    """All but ``request_headers``; at least one."""
    wants_headers: bool
    decorated: bool
    """With ``input_schema`` or ``output_schema``."""
    raw: bool
    """With ``rawhttp``."""

    def read(self, request: RawRequest, find_object: Callable[[], Any]) -> dict[str, Any]:
        """Return the arguments, without the headers; a raw ``run`` gets the object of the request."""
        first = self.parameters[0].name
        if self.raw:
            return {first: find_object()}
        match request.method, self.decorated:
            case "GET", True:
                return self._choose(read_query(request.query))
            case "GET", False:
                return {first: json.dumps(read_query(request.query))}
            case "POST", True:
                return self._choose(read_object(request))
            case "POST", False:
                try:
                    return {first: request.body.decode("utf-8")}
                except UnicodeDecodeError as error:
                    raise BadInputError(f"Input cannot be decoded as UTF-8: {error}") from None
            case _:
                raise UnsupportedMethodError

    def _choose(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what is given for each parameter; more is ignored."""
        chosen = {}
        for parameter in self.parameters:
            value = given.get(parameter.name, parameter.default)
            if value is inspect.Parameter.empty:
                raise BadInputError(f"A value is not provided for the {parameter.name!r} parameter.")
            chosen[parameter.name] = value
        return chosen


def read_form(run: Callable[..., Any], *, raw: bool) -> Form:
    """Tell how ``run`` is to be called; TypeError when it cannot be."""
    parameters = list(inspect.signature(run).parameters.values())
    if any(each.kind not in {each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD} for each in parameters):
        raise TypeError("run() cannot accept positional-only arguments, *args, or **kwargs.")
    chosen = tuple(each for each in parameters if each.name != HEADERS_PARAMETER)
    wants_headers = len(chosen) < len(parameters)
    if not chosen:
        other = f' other than "{HEADERS_PARAMETER}"' if wants_headers else " for input data"
        raise TypeError(f"run() needs to accept an argument{other}.")
    schemas = sys.modules.get("inference_schema.schema_util")
    decorated = schemas is not None and bool(schemas.is_schema_decorated(run))
    if raw and decorated:
        raise TypeError("run() cannot be decorated with both @rawhttp and @input_schema")
    return Form(parameters=chosen, wants_headers=wants_headers, decorated=decorated, raw=raw)


def read_object(request: RawRequest) -> dict[str, Any]:
    """Return the object in the body of a request to a decorated script."""
    if not is_json(request.get("content-type")):
        raise UnsupportedInputError("Expects Content-Type to be application/json")
    try:
        value = json.loads(request.body)
    except json.JSONDecodeError as error:
        if request.body:
            raise BadInputError(f"POST body could not be decoded as JSON: {error}") from None
        raise BadInputError("POST body is empty. Expecting a JSON dictionary.") from None
    if not isinstance(value, dict):
        raise BadInputError("POST body should be a JSON dictionary.")
    return value


def is_json(content_type: str | None) -> bool:
    """Say whether a content type is JSON: ``application/json`` or ``application/*+json``, whatever follows."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def read_query(query: str) -> dict[str, Any]:
    """Return a query's parameters: each JSON if it can be, else text; repeated ones a list."""
    found: dict[str, list[Any]] = {}
    for name, text in parse_query(query):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def parse_query(query: str) -> list[tuple[str, str]]:
    """Return names and values; bytes that are not UTF-8 stay percent-encoded."""
    return parse_qsl(query.encode("latin-1").decode(), keep_blank_values=True, errors=BAD_BYTES)


def _quote_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return quote(error.object[error.start : error.end], safe=""), error.end


codecs.register_error(BAD_BYTES, _quote_bad_bytes)
