from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def models() -> Path:
    return ROOT / "examples"


@pytest.fixture
def churn_model(tmp_path: Path) -> Path:
    folder = tmp_path / "churn"
    folder.mkdir()
    return Path(shutil.copy(ROOT / "examples/churn/model/churn.joblib", folder))


@pytest.fixture
def fraud_model(tmp_path: Path) -> Path:
    folder = tmp_path / "fraud"
    folder.mkdir()
    return Path(shutil.copy(ROOT / "examples/fraud/model/fraud.json", folder))


@pytest.fixture
def triage_model(tmp_path: Path) -> Path:
    folder = tmp_path / "triage"
    folder.mkdir()
    return Path(shutil.copy(ROOT / "examples/triage/model/triage.joblib", folder))
