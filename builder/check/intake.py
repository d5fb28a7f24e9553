"""What the image answers to a request before the model sees it: the same routes, forms and schema as its server.

The server's own code (``builder/runtime/server/intake.py``) only runs in images; a test holds the two together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from builder.bundle.model import Bundle, Contract, SchemaScope, SmokeTest

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

WRAPPERS = ("records", "instances")
"""An object with one of these and nothing else holds many records."""
ROUTES = ("/score", "/predict")
_PLATFORM_ROUTES = re.compile(
    r"/invocations|/v1/models/[^/]+:(predict|explain)|/v2/models/[^/]+(/versions/[^/]+)?/infer"
    r"|/v1/endpoints/[^/]+/deployedModels/[^/]+:predict"
)
_JSON_TYPES = frozenset({"", "application/json", "application/octet-stream", "application/x-www-form-urlencoded"})
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})
_LONGEST = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An answer that is given without asking the model."""

    status: int
    reasons: tuple[str, ...]
    """Each names a field, as the server does: ``records[3].age must be …``."""
    broken_at: tuple[int, int] | None = None
    """The line and column at which a body ends to be JSON."""


def foresee_refusal(bundle: Bundle, test: SmokeTest) -> Refusal | None:
    """Return how the server refuses a request; None when the model is asked, or in a platform's own words."""
    path = test.path.partition("?")[0]
    if speaks_platform(path):
        return None
    if path not in ROUTES:
        return Refusal(status=404, reasons=(f"there is no route {path} that scores",))
    if len(test.request) > bundle.service.max_body:
        reason = f"the body has {len(test.request)} bytes and service.max_body is {bundle.service.max_body}"
        return Refusal(status=413, reasons=(reason,))
    schema = bundle.schemas.request
    if bundle.scoring.contract is Contract.SAGEMAKER and not is_json_type(test.content_type):
        return None
    if bundle.scoring.contract.reads_requests and schema is None:
        return None
    if not is_json_type(test.content_type):
        return Refusal(status=415, reasons=(f"the content type is {test.content_type}, not application/json",))
    try:
        value = parse(test.request)
    except json.JSONDecodeError as error:
        reason = f"the body is not JSON: {error.msg.lower()}"
        return Refusal(status=400, reasons=(reason,), broken_at=(error.lineno, error.colno))
    except ValueError as error:
        return Refusal(status=400, reasons=(f"the body is not JSON: {error}",))
    if schema is None:
        return _misshapen(bundle, value)
    reasons = tuple(_schema_reasons(bundle, schema, value))
    return Refusal(status=400, reasons=reasons) if reasons else None


def speaks_platform(path: str) -> bool:
    """Tell whether a path is a platform's, whose protocol has its own shapes and answers, not judged here."""
    return _PLATFORM_ROUTES.fullmatch(path.partition("?")[0]) is not None


def is_json_type(content_type: str) -> bool:
    """Tell whether the server reads a body of this type."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind not in _JSON_TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        return False
    pairs = (parameter.partition("=") for parameter in parameters.split(";"))
    return all(value.strip(" \"'").lower() in _UTF8 for name, _, value in pairs if name.strip().lower() == "charset")


def parse(body: bytes) -> Any:
    """Read JSON as the server does, without NaN and infinities; anything else is a ValueError."""

    def refuse(name: str) -> None:
        msg = f"{name} has no form in JSON"
        raise ValueError(msg)

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            refuse(text)
        return number

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse, parse_float=finite)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def find_records(bundle: Bundle, value: Any) -> list[tuple[str, Any]]:
    """Return the records of a body of scope ``record``, each with its place in it."""
    if isinstance(value, list):
        return [(f"[{index}]", record) for index, record in enumerate(value)]
    is_per_record = bundle.schemas.scope is SchemaScope.RECORD
    properties = (bundle.schemas.request or {}).get("properties", {}) if is_per_record else {}
    if isinstance(value, dict) and len(value) == 1:
        for name in WRAPPERS:
            if name not in properties and isinstance(value.get(name), list):
                return [(f"{name}[{index}]", record) for index, record in enumerate(value[name])]
    return [("", value)]


def find_faults(schema: Mapping[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """Yield what breaks a schema, the deepest cause of each fault, as ``field: what``."""
    for error in validator(schema).iter_errors(value):
        cause = _deepest(error)
        where = place + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in cause.absolute_path)
        message = cause.message if len(cause.message) <= _LONGEST else f"{cause.message[: _LONGEST - 1]}…"
        yield f"{where.removeprefix('.') or 'body'}: {message}"


def is_fully_checkable(schema: Mapping[str, Any]) -> bool:
    """Tell whether everything the server checks is checked here: it knows more formats."""
    return '"format"' not in json.dumps(schema)


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return the validator of a schema that has been checked to be one."""
    return _validator(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=16)
def _validator(text: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415 - takes long to load, and is rarely asked

    return Draft202012Validator(json.loads(text), format_checker=FormatChecker())


def _deepest(error: ValidationError) -> ValidationError:
    """Follow ``anyOf`` with a single alternative; more of them are told as one fault."""
    while error.context and len(error.context) == 1:
        error = error.context[0]
    return error


def _schema_reasons(bundle: Bundle, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    if bundle.schemas.scope is SchemaScope.BODY:
        yield from find_faults(schema, value)
        return
    for place, record in find_records(bundle, value):
        yield from find_faults(schema, record, place)


def _misshapen(bundle: Bundle, value: Any) -> Refusal | None:
    """Without a schema a record is an object; for a model served as it is, it may be an array."""
    allowed = (dict, list) if bundle.scoring.contract is Contract.NONE else dict
    wrong = [place or "body" for place, record in find_records(bundle, value) if not isinstance(record, allowed)]
    if not wrong:
        return None
    wanted = "an object" + (" or an array" if allowed is not dict else "")
    return Refusal(status=400, reasons=tuple(f"{place} is not {wanted}" for place in wrong))
