from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder.runtime.bundle import BundleJsonError, parse_bundle, read_bundle


def make_document(**more: Any) -> dict[str, Any]:
    return {
        "name": "churn",
        "version": "1.0.0",
        "model": {"path": "/opt/model/model/m.joblib", "framework": "sklearn"},
        "scoring": {"contract": "none", "script": None},
    } | more


def test_what_is_absent_gets_its_default() -> None:
    bundle = parse_bundle(make_document())
    assert (bundle.service.request_timeout, bundle.service.max_body, bundle.service.workers) == (30.0, 1 << 20, None)
    assert (bundle.service.batching.enabled, bundle.service.batching.max_size) == (True, 64)
    assert (bundle.request_schema, bundle.schema_scope, bundle.sample) == (None, "record", None)


def test_limits_are_taken_over_and_delays_become_seconds() -> None:
    service = {"workers": 3, "request_timeout": 2.5, "batching": {"enabled": False, "max_size": 8, "max_delay_ms": 20}}
    bundle = parse_bundle(make_document(service=service))
    assert (bundle.service.workers, bundle.service.request_timeout) == (3, 2.5)
    assert (bundle.service.batching.enabled, bundle.service.batching.max_delay) == (False, 0.02)


def test_feature_names_are_the_properties_of_a_record_schema_in_order() -> None:
    request = {"properties": {"z": {}, "a": {}}}
    assert parse_bundle(make_document(schema={"request": request})).feature_names == ("z", "a")
    assert parse_bundle(make_document(schema={"request": request, "scope": "body"})).feature_names == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "not a resolved bundle"),
        ('{"name": "x"}', "scoring"),
        (json.dumps(make_document(scoring={"contract": "odd"})), "unknown scoring contract"),
        (json.dumps(make_document(scoring={"contract": "predict"})), "without a script"),
    ],
)
def test_a_file_that_is_no_bundle_is_told_why(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "bundle.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BundleJsonError, match=says):
        read_bundle(path)
