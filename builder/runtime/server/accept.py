"""Which form of answer a client accepts, and predictions in that form: JSON, JSON lines or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from .message import JSON, Response, to_json

JSON_LINES = "application/jsonlines"
CSV = "text/csv"
NAMES = {
    JSON: JSON,
    JSON_LINES: JSON_LINES,
    "application/jsonl": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
    "application/ndjson": JSON_LINES,
    CSV: CSV,
}
"""What a type may be called, and the form it stands for."""


def parse_type(header: str | None) -> tuple[str, dict[str, str]]:
    """Return the type of a content-type header in lower case, and its parameters."""
    kind, *parts = (header or "").split(";")
    pairs = (part.partition("=") for part in parts if part.strip())
    return kind.strip().lower(), {name.strip().lower(): value.strip(" \"'").lower() for name, _, value in pairs}


def choose_form(accept: str | None, default: str = JSON) -> str:
    """Return the type to answer with: the one the client likes best among those there are, else the default.

    An answer in an unwanted form is more use than none (RFC 9110 §12.5.1), and MLflow's clients count on it.
    """
    if accept is None or accept in {"*/*", JSON}:
        return default if accept != JSON else JSON
    best, choice = 0.0, ""
    for each in accept.split(","):
        kind, parameters = parse_type(each)
        liking = read_liking(parameters.get("q"))
        name = kind if kind in NAMES else default if kind in {"*/*", "application/*"} else ""
        if name and liking > best:
            best, choice = liking, name
    return choice or default


def read_liking(text: str | None) -> float:
    """Return a quality value, 0 to 1; what is none counts as 0."""
    if text is None:
        return 1.0
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def write_predictions(kind: str, predictions: Sequence[Any]) -> Response:
    """Return the answer of a type of :data:`NAMES`; lines are joined, so that the last one has no end."""
    match NAMES.get(kind):
        case "application/jsonlines":
            return Response(200, b"\n".join(map(to_json, predictions)), kind)
        case "text/csv":
            return Response(200, write_csv(predictions), "text/csv; charset=utf-8")
        case _:
            return Response(200, to_json({"predictions": predictions}))


def write_csv(predictions: Iterable[Any]) -> bytes:
    """Return one row for each prediction: the items of a list, the values of an object, or the one value there is."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for prediction in predictions:
        match prediction:
            case list():
                cells = prediction
            case dict():
                cells = list(prediction.values())
            case _:
                cells = [prediction]
        writer.writerow([_write_cell(cell) for cell in cells])
    return text.getvalue().removesuffix("\n").encode()


def _write_cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return to_json(value).decode()
