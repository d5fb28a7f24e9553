"""Bodies that no service should take, each in the form its system expects, but for the one thing that is wrong."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from service import Running

NAMES = ("not_json", "wrong_type", "missing", "extra", "nan", "empty", "50MB")
FIELD = "feature_03"


def spoil(value: Any, change: Any) -> Any:
    """Return the request with its record, or its row of values, changed."""
    if isinstance(value, dict):
        if FIELD in value:
            return change(dict(value))
        if "data" in value:
            return value | {"data": change(value["data"])}
        return {name: spoil(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return change(value) if value and isinstance(value[0], float) else [spoil(item, change) for item in value]
    return value


def put(text: Any) -> Any:
    """Return a change that puts a value in the place of one feature."""

    def change(features: Any) -> Any:
        if isinstance(features, dict):
            return features | {FIELD: text}
        return [*features[:3], text, *features[4:]]

    return change


def drop(features: Any) -> Any:
    if isinstance(features, dict):
        return {name: value for name, value in features.items() if name != FIELD}
    return features[:-1]


def add(more: Any) -> Any:
    return lambda features: features | {"surprise": more} if isinstance(features, dict) else [*features, more]


def make_bodies(request: Any) -> dict[str, bytes]:
    """Return every malformed body by its name."""

    def encode(change: Any) -> bytes:
        return json.dumps(spoil(request, change)).encode()

    return {
        "not_json": b'{"nope',
        "wrong_type": encode(put("abc")),
        "missing": encode(drop),
        "extra": encode(add(1.5)),
        "nan": encode(put(float("nan"))),
        "empty": b"",
        "50MB": encode(add("x" * 50_000_000)),
    }


def ask_malformed(running: Running) -> dict[str, Any]:
    """Return status by body, with a plus when the answer names the feature, and whether the service still serves."""
    found: dict[str, Any] = {}
    for name, body in make_bodies(running.system.wrap(running.record)).items():
        began = time.monotonic()
        try:
            status, answer = running.ask(body)
        except (OSError, http.client.HTTPException) as error:
            found[name] = {"status": type(error).__name__, "names_field": False, "seconds": 0}
            continue
        named = FIELD.encode() in answer or (name == "extra" and b"surprise" in answer)
        spent = round(time.monotonic() - began, 3)
        found[name] = {"status": status, "names_field": named and status >= 400, "seconds": spent}
    try:
        found["alive"] = running.ask(json.dumps(running.system.wrap(running.record)).encode())[0] == 200
    except (OSError, http.client.HTTPException):
        found["alive"] = False
    return found
