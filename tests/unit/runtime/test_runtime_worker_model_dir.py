from __future__ import annotations

import hashlib
from pathlib import Path

from test_runtime_bundle import make_document

from builder.runtime.bundle import Bundle, parse_bundle
from builder.runtime.places import Places
from builder.runtime.worker.model_dir import choose_model_dir
from builder.runtime.worker.output import Journal

WEIGHTS = b"weights"


def make_bundle() -> Bundle:
    file = {"path": "m.joblib", "size": len(WEIGHTS), "sha256": hashlib.sha256(WEIGHTS).hexdigest()}
    return parse_bundle(make_document(model={"path": "/opt/model/model/m.joblib", "files": [file]}))


def test_the_baked_directory_is_used_when_nothing_else_is_said(tmp_path: Path) -> None:
    places = Places(root=tmp_path)
    for environment in ({}, {"AZUREML_MODEL_DIR": "/opt/model/model"}):
        assert choose_model_dir(make_bundle(), places, environment, Journal()) == places.model_dir


def test_a_mounted_directory_is_used_only_with_the_very_same_files(tmp_path: Path, capfd: object) -> None:
    del capfd
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    places = Places(root=tmp_path)
    environment = {"AZUREML_MODEL_DIR": str(mounted)}
    assert choose_model_dir(make_bundle(), places, environment, Journal()) == places.model_dir
    (mounted / "m.joblib").write_bytes(b"weighty")
    assert choose_model_dir(make_bundle(), places, environment, Journal()) == places.model_dir
    (mounted / "m.joblib").write_bytes(WEIGHTS)
    assert choose_model_dir(make_bundle(), places, environment, Journal()) == mounted
