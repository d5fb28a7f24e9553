from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pickle_makers import zipped

from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_screening import Screening, screen_bytes

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts" / "sklearn-1.7.2-pipeline.skops"


def look(content: bytes) -> Screening:
    return screen_bytes(content, "model.skops", Allowance(Definitions()))


def archive(node: Any) -> bytes:
    outer = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [node]}
    return zipped({"schema.json": json.dumps(outer).encode()})


def node(module: str, name: str, loader: str = "ObjectNode", content: Any = None) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, "content": content}


def test_an_ordinary_archive_passes() -> None:
    screening = look(FIXTURE.read_bytes())
    assert screening.damages == []
    assert [objection for _, objection in screening.objections if objection.judgement is Judgement.REFUSED] == []


@pytest.mark.parametrize(
    "hostile",
    [
        node("os", "system", "TypeNode"),
        node("builtins", "function", "FunctionNode", {"module_path": "os", "function": "system"}),
        node("builtins", "eval", "TypeNode"),
        node("builtins", "eval", "ObjectNode"),
        node("subprocess", "Popen"),
        node("operator", "methodcaller", "OperatorFuncNode"),
        node("builtins", "method", "MethodNode", {"func": "__reduce__", "obj": node("sklearn.pipeline", "Pipeline")}),
        node("os", "system", "JsonNode"),
        node("builtins", "dict", "DictNode", {"key": node("pty", "spawn", "ListNode")}),
    ],
)
def test_what_no_model_needs_is_refused(hostile: dict[str, Any]) -> None:
    assert any(objection.judgement is Judgement.REFUSED for _, objection in look(archive(hostile)).objections)


@pytest.mark.parametrize("schema", [b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_schema_is_damage(schema: bytes) -> None:
    assert look(zipped({"schema.json": schema})).damages
