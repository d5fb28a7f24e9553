from __future__ import annotations

import json
from typing import Any

from builder.bundle.model import Schemas, SchemaScope
from builder.engine.runner import Answer
from builder.smoke.responses import response_judge

LABEL = {"type": "object", "required": ["label"], "properties": {"label": {"enum": ["stays", "leaves"]}}}


def judged(body: Any, schemas: Schemas) -> list[str]:
    judge = response_judge(schemas)
    assert judge is not None
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [difference.at for difference in judge(Answer(status=200, headers={}, body=content, seconds=0.1))]


def test_a_bundle_without_a_response_schema_promises_nothing() -> None:
    assert response_judge(Schemas()) is None


def test_every_answer_to_a_record_is_held_to_the_schema() -> None:
    schemas = Schemas(response=LABEL)
    assert judged({"predictions": [{"label": "stays"}, {"label": "leaves"}]}, schemas) == []
    assert judged({"predictions": [{"label": "stays"}, {"label": "dances"}, {}]}, schemas) == [
        "$.predictions[1].label",
        "$.predictions[2]",
    ]


def test_an_answer_without_predictions_is_a_difference() -> None:
    assert judged({"label": "stays"}, Schemas(response=LABEL)) == ["$.predictions"]
    assert judged([1], Schemas(response=LABEL)) == ["$.predictions"]


def test_a_schema_of_the_body_is_held_against_the_whole_body() -> None:
    schemas = Schemas(response=LABEL, scope=SchemaScope.BODY)
    assert judged({"label": "stays"}, schemas) == []
    assert judged({"label": 1}, schemas) == ["$.label"]


def test_an_answer_that_is_not_json_breaks_the_promise() -> None:
    assert judged(b"<html>", Schemas(response=LABEL)) == ["$"]
