from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MINIMAL = """\
name: churn
version: 1.0.0
model: {path: model/m.json}
environment:
  python: "3.11"
  requirements: [xgboost-cpu==3.*]
"""
XGBOOST = b'{"learner":{"attributes":{}}}'
SMOKE = """\
smoke:
  - {name: accepted, request: {a: 1}}
  - {name: refused, request: {a: no number}, expect: {status: 400}}
"""

WriteBundle = Callable[..., Path]


@pytest.fixture
def write_bundle(tmp_path: Path) -> WriteBundle:
    """Writes a bundle: by default a valid one with an XGBoost model; ``files`` are added, None removes one."""

    def write(text: str = MINIMAL, files: Mapping[str, str | bytes | None] | None = None) -> Path:
        root = tmp_path / "bundle"
        contents: dict[str, str | bytes | None] = {"bundle.yaml": text, "model/m.json": XGBOOST, **(files or {})}
        for name, content in contents.items():
            if content is None:
                continue
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write
